// What the pages of schedules do beyond plain HTML: a clicked stretch opens its small form on top of the page, and the editor
// answers in place, with a preview that follows what is typed. Everything else works without this file.
"use strict";

(() => {
  const main = document.getElementById("main");
  const aloud = document.getElementById("aloud");
  document.documentElement.dataset.scripts = "1";

  // --- The form of an override, on top of the page it belongs to

  async function pop(address) {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    const form = template.content.querySelector("[data-popped]");
    if (!answer.ok || answer.redirected || !form) {
      location.assign(address);
      return;
    }
    document.querySelector("dialog.pop")?.remove();
    const dialog = document.createElement("dialog");
    dialog.className = "pop";
    const heading = document.createElement("h2");
    heading.id = "pop-title";
    heading.textContent = template.content.querySelector("h1").textContent;
    dialog.setAttribute("aria-labelledby", heading.id);
    dialog.append(heading, form);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
      if (event.target.closest("[data-pop-close]")) {
        event.preventDefault();
        dialog.close();
      }
    });
    document.body.append(dialog);
    dialog.showModal();
    form.querySelector("select, input:not([type=hidden])")?.focus();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-pop]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const address = link.getAttribute("href");
    pop(address).catch(() => location.assign(address));
  });

  // --- The editor: every button but "Save" answers in place, and the preview follows what is typed

  const editor = () => document.querySelector("form[data-editor]");
  let asked = 0;
  let timer = 0;

  const written = (form) => new URLSearchParams(new FormData(form)).toString();

  const beforeAttributeUpdated = (name, node) => !(name === "open" && node.tagName === "DETAILS");  // what was opened stays open

  async function answerInPlace(form, name, value) {
    const mine = ++asked;
    const typed = written(form);
    const posted = new FormData(form);
    if (name) posted.set(name, value);
    form.querySelector("[data-preview]")?.classList.add("is-waiting");
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(posted), headers: { accept: "text/html" } });
    const text = await answer.text();
    if (mine !== asked) return;
    if (written(form) !== typed) {  // somebody typed on while the answer was under way: ask again, so that nothing typed is lost
      await answerInPlace(form, name, value);
      return;
    }
    const template = document.createElement("template");
    template.innerHTML = text;
    const fresh = template.content.querySelector("#main");
    if (answer.redirected || !fresh || !fresh.querySelector("[data-editor]")) {
      location.assign(answer.redirected ? answer.url : location.href);
      return;
    }
    const focused = document.activeElement?.id;
    window.Idiomorph.morph(main, fresh.innerHTML, { morphStyle: "innerHTML", ignoreActiveValue: true, callbacks: { beforeAttributeUpdated } });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    const preview = document.querySelector("[data-says]");
    if (aloud && preview) aloud.textContent = preview.dataset.says;
    draggable();
  }
  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const form = editor();
      if (form && window.Idiomorph) answerInPlace(form, "do", "follow").catch(() => {});
    }, 500);
  }
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-editor]") || !window.Idiomorph) return;
    const button = event.submitter;
    clearTimeout(timer);
    if (!button || button.dataset.leaves !== undefined) {
      asked += 1;
      return;
    }
    event.preventDefault();
    answerInPlace(form, button.name, button.value).catch(() => form.submit());
  });
  document.addEventListener("change", (event) => {
    if (event.target.closest("form[data-editor]") && !event.target.matches("[data-quiet]")) later();
  });

  // --- People of a layer can be dragged into another order; the buttons beside them do the same

  let dragged = null;
  function draggable() {
    for (const row of document.querySelectorAll(".order li")) row.draggable = true;
  }
  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.(".order li") || null;
    dragged?.classList.add("is-dragged");
  });
  document.addEventListener("dragover", (event) => {
    const over = event.target.closest?.(".order li");
    if (!dragged || !over || over === dragged || over.parentElement !== dragged.parentElement) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    over.parentElement.insertBefore(dragged, event.clientY < box.top + box.height / 2 ? over : over.nextSibling);
  });
  document.addEventListener("drop", (event) => {
    if (dragged) event.preventDefault();
  });
  document.addEventListener("dragend", () => {
    if (!dragged) return;
    dragged.classList.remove("is-dragged");
    dragged = null;
    later();
  });
  draggable();
})();
