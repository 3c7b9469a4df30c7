// Keeps the last state of each page that was looked at, and marks it stale when the server cannot be reached.
"use strict";

const KEPT = "tocsin-pages-1";
const MOST_PAGES = 60;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(tidied()));

async function tidied() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name)));
  await self.clients.claim();
}

self.addEventListener("fetch", (event) => {
  const request = event.request;
  const address = new URL(request.url);
  if (request.method !== "GET" || address.origin !== self.location.origin) return;
  if (request.headers.get("accept") === "text/event-stream") return;
  if (address.pathname.startsWith("/app/static/")) event.respondWith(fromFiles(request));
  else if (request.mode === "navigate" && !isPrivate(address.pathname)) event.respondWith(fromServer(request));
});

// Pages that show a secret once, or that belong to nobody yet, are never kept.
function isPrivate(path) {
  return path.startsWith("/app/welcome/") || path.startsWith("/app/sign-") || path.startsWith("/app/keys");
}

async function fromFiles(request) {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) (await caches.open(KEPT)).put(request, answer.clone());
  return answer;
}

async function fromServer(request) {
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected) await keep(request, answer.clone());
    return answer;
  } catch (failure) {
    const kept = await caches.match(request);
    if (!kept) return new Response(LOST, { status: 503, headers: { "Content-Type": "text/html; charset=utf-8" } });
    const at = kept.headers.get("x-kept-at") || "";
    const html = (await kept.text()).replace("<html ", `<html data-stale="${at}" `);
    return new Response(html, { status: 200, headers: kept.headers });
  }
}

async function keep(request, answer) {
  const headers = new Headers(answer.headers);
  headers.set("x-kept-at", new Date().toISOString());
  const cache = await caches.open(KEPT);
  await cache.put(request, new Response(await answer.text(), { status: answer.status, headers }));
  const pages = (await cache.keys()).filter((one) => !one.url.includes("/static/"));
  await Promise.all(pages.slice(0, Math.max(0, pages.length - MOST_PAGES)).map((one) => cache.delete(one)));
}

const LOST = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>No connection · Tocsin</title><h1>Tocsin cannot be reached</h1>
<p>This page was not looked at before, so there is nothing kept to show. Check the network, then load it again.</p>`;
