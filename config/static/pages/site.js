/* What makes pages a little nicer; each is whole without it. */

const seconds = 1000;

/* --- The offline page, for when there is no network --- */

if ('serviceWorker' in navigator) navigator.serviceWorker.register('/service-worker.js').catch(() => {});

/* --- Where somebody is, as their browser knows it; the server looks whether there is such a place --- */

for (const field of document.querySelectorAll('[data-guess="timezone"]')) {
  field.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone || '';
}

/* --- Parts that stay fresh: asked for again while somebody looks, and exchanged where they changed --- */

const parts = [...document.querySelectorAll('[data-fresh-every]')];
let asking = false;

async function refresh() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, redirect: 'manual' });
    if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), 'text/html'));
  } catch { /* without a network it stays as it is */ } finally {
    asking = false;
  }
}

function exchange(fresh) {
  for (const part of parts) {
    const newer = fresh.getElementById(part.id);
    const inUse = part.contains(document.activeElement);
    if (newer && !inUse && newer.innerHTML !== part.innerHTML) part.replaceChildren(...newer.childNodes);
    if (newer && !newer.dataset.freshEvery) delete part.dataset.freshEvery;
  }
}

if (parts.length) {
  const every = Math.min(...parts.map((part) => Number(part.dataset.freshEvery)));
  setInterval(() => parts.some((part) => part.dataset.freshEvery) && refresh(), every * seconds);
  document.addEventListener('visibilitychange', refresh);
}
