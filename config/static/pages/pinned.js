/* Keeps one's own row beside the live board fresh. The place and the way to the next one are the server's words; it is
   asked when the board has moved, at once and then every few seconds at most, so that a busy board is not asked for
   each of its steps. */

const pinned = document.getElementById('pinned');
const atMostEvery = 5000;
let asked = 0;
let waiting = 0;

async function refresh() {
  waiting = 0;
  asked = Date.now();
  try {
    const answer = await fetch(pinned.dataset.from, { headers: { Accept: 'text/html' }, redirect: 'manual' });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').body;
    if (!pinned.contains(document.activeElement) && fresh.innerHTML !== pinned.innerHTML) {
      pinned.replaceChildren(...fresh.childNodes);
    }
  } catch { /* without a network it stays as it is; the board says so */ }
}

if (pinned) {
  document.addEventListener('board', () => {
    if (document.hidden) return;
    waiting ||= setTimeout(refresh, Math.max(0, asked + atMostEvery * (0.8 + 0.4 * Math.random()) - Date.now()));
  });
  document.addEventListener('visibilitychange', () => document.hidden || refresh());
}
