"""From YAML files to checked values, in steps that each report every problem they find.

- **reading** turns a file into a plain value, and remembers where each part stands.
- **checking** holds a value against the JSON Schema of its kind.
- **secrets** fills in `${env:NAME}` and `${secret:NAME}`.
- **executors** and **config** build the words of `hub.model` from what passed.
- **cross_check** holds executors against config, workflows and jobs.
- **project** does all of it for a folder.
- **body_schema** checks webhook bodies against the schema that an executor brings, **schema_child** those that take long.
"""
