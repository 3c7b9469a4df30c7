// What a page does beyond plain HTML: swaps its live part when the server sends a new one, keeps relative times counting,
// says aloud what arrived, and marks the page stale when the stream breaks. Everything else works without this file.
"use strict";

(() => {
  const STALE_AFTER_MS = 12000;
  const root = document.documentElement;
  const main = document.getElementById("main");
  const aloud = document.getElementById("aloud");
  let lostAt = 0;

  const minute = 60, hour = 3600, day = 86400;
  function duration(seconds) {
    if (seconds < minute) return `${Math.round(seconds)} s`;
    if (seconds < hour) return `${Math.floor(seconds / minute)} min`;
    if (seconds < day) {
      const rest = Math.floor((seconds % hour) / minute);
      return `${Math.floor(seconds / hour)} h` + (rest ? ` ${rest} min` : "");
    }
    const days = Math.floor(seconds / day), rest = days >= 3 ? 0 : Math.floor((seconds % day) / hour);
    return `${days} d` + (rest ? ` ${rest} h` : "");
  }
  function relative(at) {
    const gap = (Date.now() - at) / 1000;
    if (Math.abs(gap) < 5) return "just now";
    return gap > 0 ? `${duration(gap)} ago` : `in ${duration(-gap)}`;
  }
  function count() {
    for (const one of document.querySelectorAll("time[data-rel]")) {
      const words = relative(Date.parse(one.dateTime));
      if (one.textContent !== words) one.textContent = words;
    }
  }

  function mark(state, words) {
    for (const one of document.querySelectorAll("[data-live-mark]")) {
      one.dataset.state = state;
      one.firstElementChild.textContent = words;
    }
  }
  function clock(at) {
    return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  }
  function stale(at) {
    root.dataset.stale = String(at);
    for (const one of document.querySelectorAll("[data-stale-at]")) one.textContent = `at ${clock(at)}`;
    mark("stale", `not live since ${clock(at)}`);
  }

  // What a person is in the middle of (ticked boxes, opened parts, typed words) survives a swap.
  const keeping = {
    beforeAttributeUpdated(name, node) {
      if (name === "open" && node.tagName === "DETAILS") return false;
      if (["checked", "value", "selected"].includes(name) && node.closest("form")) return false;
      return true;
    },
    beforeNodeMorphed(before) {
      return !(before.nodeType === 1 && before.hasAttribute("data-still"));
    },
  };
  function swap(html) {
    const before = new Set([...main.querySelectorAll("[data-row]")].map((row) => row.id));
    const part = main.querySelector("[data-live-part]");
    if (!part) return;
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.querySelector("[data-live-part]");
    if (!fresh) return;
    if (window.Idiomorph) window.Idiomorph.morph(part, fresh.outerHTML, { morphStyle: "outerHTML", callbacks: keeping });
    else part.replaceWith(fresh);
    const now = main.querySelector("[data-live-part]");
    if (now.dataset.title) document.title = now.dataset.title;
    if (now.dataset.still === "over") return;
    const arrived = [...now.querySelectorAll("[data-row]")].filter((row) => row.id && !before.has(row.id));
    for (const row of arrived) row.classList.add("is-new");
    if (arrived.length && aloud) aloud.textContent = arrived.slice(0, 3).map((row) => row.dataset.row).join(". ");
    enhance();
    count();
  }

  let isFirst = true;
  function listen() {
    if (!main || !main.hasAttribute("data-live")) return;
    const stream = new EventSource(location.href.split("#")[0]);
    const alive = () => {
      lostAt = 0;
      delete root.dataset.stale;
      mark("live", "live");
    };
    stream.addEventListener("open", alive);
    stream.addEventListener("swap", (event) => {
      alive();
      swap(event.data);
      if (isFirst) for (const row of main.querySelectorAll(".is-new")) row.classList.remove("is-new");
      isFirst = false;
    });
    stream.addEventListener("beat", alive);
    stream.addEventListener("signed-out", () => {
      stream.close();
      location.reload();
    });
    stream.addEventListener("error", () => {
      lostAt = lostAt || Date.now();
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 4000);
    });
    window.addEventListener("pagehide", () => stream.close());
  }

  function enhance() {
    for (const button of document.querySelectorAll("[data-copy]:not([data-ready])")) {
      button.dataset.ready = "1";
      button.hidden = !navigator.clipboard;
      button.addEventListener("click", async () => {
        const what = document.getElementById(button.dataset.copy);
        await navigator.clipboard.writeText(what.textContent.trim());
        if (aloud) aloud.textContent = "Copied";
        button.lastChild.textContent = "Copied";
      });
    }
    for (const box of document.querySelectorAll("[data-pick-all]:not([data-ready])")) {
      box.dataset.ready = "1";
      box.hidden = false;
      box.addEventListener("change", () => {
        for (const one of box.closest("form").querySelectorAll("[data-pick]")) one.checked = box.checked;
      });
    }
    for (const form of document.querySelectorAll("form[data-auto]:not([data-ready])")) {
      form.dataset.ready = "1";
      form.addEventListener("change", () => form.requestSubmit());
    }
  }

  // Only one menu is open at a time; Escape closes it and gives the focus back.
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches("details.menu[open]")) return;
    for (const one of document.querySelectorAll("details.menu[open]")) if (one !== event.target) one.open = false;
  }, true);
  document.addEventListener("click", (event) => {
    for (const one of document.querySelectorAll("details.menu[open]")) if (!one.contains(event.target)) one.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const open = document.querySelector("details.menu[open]");
    if (event.key === "Escape" && open) {
      open.open = false;
      open.querySelector("summary").focus();
      return;
    }
    if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    keys(event);
  });
  function keys(event) {
    const rows = [...document.querySelectorAll("[data-row] a.title")];
    const at = rows.indexOf(document.activeElement);
    if (event.key === "j" && rows.length) rows[Math.min(at + 1, rows.length - 1)].focus();
    else if (event.key === "k" && rows.length) rows[Math.max(at - 1, 0)].focus();
    else if (event.key === "x" && at >= 0) rows[at].closest("[data-row]").querySelector("[data-pick]")?.click();
    else if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
  }

  if (root.dataset.stale) stale(Date.parse(root.dataset.stale) || Date.now());
  const trouble = document.querySelector(".trouble[tabindex]");
  if (trouble) trouble.focus();
  const tab = document.querySelector(".tabs [aria-current]");
  if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - 16;
  enhance();
  count();
  listen();
  setInterval(() => {
    count();
    if (lostAt && Date.now() - lostAt > STALE_AFTER_MS) stale(lostAt);
  }, 5000);
  if ("serviceWorker" in navigator && window.isSecureContext) {
    navigator.serviceWorker.register("/app/worker.js", { scope: "/app/" }).catch(() => {});
  }
})();
