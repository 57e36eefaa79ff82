{% load static %}/* Keeps one page for when there is no network, and nothing else: what people see of themselves is never kept. */

const KEPT = 'offline-1';
const OFFLINE = '{% url "offline" %}';
const PARTS = [OFFLINE, '{% static "pages/site.css" %}', '{% static "leaderboards/mark.svg" %}'];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(PARTS)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const forget = (name) => name !== KEPT && caches.delete(name);
  event.waitUntil(caches.keys().then((names) => Promise.all(names.map(forget))).then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.mode === 'navigate') {
    event.respondWith(fetch(request).catch(() => caches.match(OFFLINE)));
  } else if (PARTS.includes(new URL(request.url).pathname)) {
    event.respondWith(fetch(request).catch(() => caches.match(request)));
  }
});
