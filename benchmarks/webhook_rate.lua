-- A push of GitHub, about 1 KB, signed, each with a body and a delivery id of its own. wrk's LuaJIT calls libcrypto for the HMAC.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct evp_md_st EVP_MD;
  const EVP_MD *EVP_sha256(void);
  unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n,
                      unsigned char *out, unsigned int *out_len);
]]
local crypto = ffi.load("libcrypto.so.3")
local out, out_len = ffi.new("unsigned char[64]"), ffi.new("unsigned int[1]")
local secret = os.getenv("HUB_BENCH_SECRET")
local run = os.getenv("HUB_BENCH_RUN") or "0"
local hex = {}
for i = 0, 255 do hex[i] = string.format("%02x", i) end

local before = '{"ref":"refs/heads/main","before":"' .. string.rep("a", 40) .. '","after":"'
local behind = '","repository":{"id":1296269,"full_name":"octocat/Hello-World","private":false,"html_url":"https://github.com/octocat/Hello-World"},'
  .. '"pusher":{"name":"octocat","email":"octocat@example.com"},"commits":[{"id":"' .. string.rep("b", 40)
  .. '","message":"' .. string.rep("Update README.md ", 22) .. '","timestamp":"2026-11-20T10:00:00Z","author":{"name":"octocat",'
  .. '"email":"octocat@example.com","username":"octocat"},"added":[],"removed":[],"modified":["README.md"]}]}'

local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init()
  count = 0
end

function request()
  count = count + 1
  local id = string.format("%s-%d-%012d", run, number, count)
  local body = before .. string.format("%-40s", id) .. behind
  crypto.HMAC(crypto.EVP_sha256(), secret, #secret, ffi.cast("const unsigned char *", body), #body, out, out_len)
  local digest = {}
  for i = 0, 31 do digest[i + 1] = hex[out[i]] end
  return wrk.format("POST", nil, {
    ["Content-Type"] = "application/json", ["User-Agent"] = "GitHub-Hookshot/0000000", ["Accept"] = "*/*",
    ["X-GitHub-Event"] = "push", ["X-GitHub-Delivery"] = id, ["X-GitHub-Hook-ID"] = "292430182",
    ["X-GitHub-Hook-Installation-Target-ID"] = "79929171", ["X-GitHub-Hook-Installation-Target-Type"] = "repository",
    ["X-Hub-Signature-256"] = "sha256=" .. table.concat(digest),
  }, body)
end

function done(summary, latency, requests)
  io.write(string.format('RESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "max": %f, "errors": %d, "refused": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout, summary.errors.status))
end
