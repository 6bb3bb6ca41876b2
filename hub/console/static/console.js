// The console's own script. Pages work without it; it adds liveness, the keyboard, times that move on, and copying.
"use strict";

(() => {
  const root = document.documentElement;

  // --- htmx under a strict policy: it may make DOM out of what this server sent, and nothing else. No code from text.
  const refuse = () => { throw new Error("code from text is not run here"); };
  const policy = window.trustedTypes
    ? trustedTypes.createPolicy("hub", { createHTML: (text) => text, createScript: refuse })
    : { createHTML: (text) => text, createScript: refuse };
  if (window.htmx) {
    htmx.registerExtension("hub", {
      init: (api) => api.initSecurity(policy, refuse, refuse),
      htmx_config_request: (_element, { ctx }) => {
        if (new URL(ctx.request.action, location.href).origin !== location.origin) return false;
      },
    });
  }

  // --- theme: light, dark, or as the system says
  const stored = () => { try { return localStorage.getItem("hub-theme"); } catch { return null; } };
  const dress = (theme) => { theme ? root.setAttribute("data-theme", theme) : root.removeAttribute("data-theme"); };
  dress(stored());
  root.classList.remove("no-script");

  // --- on a phone the rail is a bar that scrolls: where one is has to be in sight
  const rail = document.querySelector(".rail"), here = rail && rail.querySelector("[aria-current]");
  if (here) rail.scrollLeft = here.offsetLeft - (rail.clientWidth - here.offsetWidth) / 2;

  const toggleTheme = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const next = dark ? "light" : "dark";
    try { localStorage.setItem("hub-theme", next); } catch { /* it lasts as long as the page */ }
    dress(next);
  };

  // --- times move on; the exact one, here and in UTC, is on hover
  const UNITS = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];
  const ago = (moment) => {
    const away = Math.abs(Date.now() - moment);
    const found = UNITS.find(([size]) => away >= size);
    if (!found) return "just now";
    const told = `${Math.floor(away / found[0])} ${found[1]}`;
    return moment > Date.now() ? `in ${told}` : `${told} ago`;
  };
  const tick = (within) => {
    for (const element of (within || document).querySelectorAll("time[data-ago]")) {
      const moment = Date.parse(element.dateTime);
      const text = ago(moment);
      if (element.textContent !== text) element.textContent = text;
      if (!element.dataset.local) {
        element.dataset.local = "1";
        element.title = `${element.title}\n${new Date(moment).toLocaleString()} here`;
      }
    }
  };

  // --- the keyboard
  const PLACES = { h: "", e: "/events", x: "/executions", r: "/executors", s: "/schedules", w: "/wait-points", m: "/machine-users", a: "/audit" };
  const rows = () => [...document.querySelectorAll("tr[data-href], a.row[href]")];
  let going = 0;
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const now = all.findIndex((row) => row.classList.contains("at"));
    const next = Math.max(0, Math.min(all.length - 1, now < 0 ? (by > 0 ? 0 : all.length - 1) : now + by));
    all.forEach((row) => row.classList.remove("at"));
    all[next].classList.add("at");
    all[next].scrollIntoView({ block: "nearest" });
  };
  const open = (row) => { row.dataset.href ? location.assign(row.dataset.href) : row.click(); };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (Date.now() - going < 1500 && event.key in PLACES) {
      going = 0;
      location.assign("/console" + PLACES[event.key]);
    } else if (event.key === "g") going = Date.now();
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "Enter" && event.target === document.body) {
      const row = document.querySelector("tr.at[data-href], a.row.at[href]");
      if (row) open(row);
    } else if (event.key === "/") { event.preventDefault(); document.getElementById("search")?.focus(); }
    else if (event.key === "?") document.getElementById("keys")?.showModal();
    else if (event.key === "t") toggleTheme();
  });

  // --- clicks
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button) {
      event.preventDefault();
      navigator.clipboard?.writeText(button.dataset.copy).then(() => {
        const said = button.textContent;
        button.textContent = "copied";
        setTimeout(() => { button.textContent = said; }, 1200);
      });
      return;
    }
    if (event.target.closest("[data-theme-toggle]")) return toggleTheme();
    if (event.target.closest("[data-keys]")) return document.getElementById("keys")?.showModal();
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input, summary, form") && !String(getSelection())) open(row);
  });
  document.addEventListener("change", (event) => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });

  // --- a log that is at its end stays there
  const stick = new MutationObserver((changes) => {
    for (const { target } of changes) if (target.scrollHeight - target.scrollTop - target.clientHeight < 160) target.scrollTop = target.scrollHeight;
  });
  const settle = (within) => {
    tick(within);
    document.querySelectorAll("[data-most]").forEach((list) => { while (list.children.length > Number(list.dataset.most)) list.lastElementChild.remove(); });
    document.querySelectorAll(".logs:not([data-seen])").forEach((log) => { log.dataset.seen = "1"; log.scrollTop = log.scrollHeight; });
    document.querySelectorAll(".logs").forEach((log) => stick.observe(log, { childList: true }));
  };
  document.addEventListener("DOMContentLoaded", () => { settle(); setInterval(tick, 1000); });
  document.addEventListener("htmx:after:swap", () => settle());
})();
