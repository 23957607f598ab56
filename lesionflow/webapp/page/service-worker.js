"use strict";

/* Keeps the page's own files, so that it works without a network; asks for nothing else. The two headers let the browser
   use several threads. `VERSION` and `FILES` are written in front of this when the page is made. */

const CACHE_PREFIX = `lesionflow ${self.registration.scope} `; // other pages of the same server have theirs
const CACHE = CACHE_PREFIX + VERSION;

const HEADERS = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

self.addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(Object.keys(FILES).map((name) => new Request(name, { cache: "reload" })));
    for (const [name, digest] of Object.entries(FILES)) {
      if ((await digestOf(await cache.match(name))) === digest) continue;
      await caches.delete(CACHE);
      throw new Error(`${name} is of another page`); // as while a new one is being copied; the next visit tries again
    }
    await self.skipWaiting();
  };
  event.waitUntil(keep());
});

async function digestOf(response) {
  const digest = await crypto.subtle.digest("SHA-256", await response.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

self.addEventListener("activate", (event) => {
  const forget = async () => {
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith(CACHE_PREFIX) && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(forget());
});

self.addEventListener("fetch", (event) => {
  const asked = new URL(event.request.url);
  const name = asked.href.slice(self.registration.scope.length).split(/[?#]/)[0] || "index.html";
  if (event.request.method !== "GET" || !asked.href.startsWith(self.registration.scope) || !Object.hasOwn(FILES, name)) return;
  event.respondWith(kept(name, event.request));
});

async function kept(name, request) {
  const cache = await caches.open(CACHE);
  const found = (await cache.match(name)) ?? (await fetch(request));
  const headers = new Headers(found.headers);
  for (const [header, value] of Object.entries(HEADERS)) headers.set(header, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
