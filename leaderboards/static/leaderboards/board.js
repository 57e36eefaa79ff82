/* Keeps the board fresh. The page is whole without it: the server wrote every row that this moves.
   Texts from people go in by textContent only. */

const page = document.getElementById('main');
const list = document.getElementById('rows');
const blank = document.getElementById('row').content.firstElementChild;
const byId = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const seconds = 1000;

/* The visitor's clock may be wrong, the server's is what the times were written with. */
const loadedAt = Date.now();
const clockOffset = Date.parse(page.dataset.now) - loadedAt;
const serverNow = () => Date.now() + clockOffset;

function say(element, text) {
  if (element.textContent !== text) element.textContent = text; // an unchanged live region stays silent
}

/* --- The board --- */

/* The same few lines that every client may use; the page brings the address, which changes with the text. */
const { apply, resume } = await import(page.dataset.client);
const rows = new Map([...list.children].map((row) => [row.dataset.user, row]));
let [board] = apply(null, JSON.parse(byId('frame').textContent)); // what the server wrote the rows from

function distance(metres) { // cut off as the server does, never rounded up
  return metres < 1000 ? `${Math.trunc(metres)} m` : `${tenths.format(Math.floor(metres / 100) / 10)} km`;
}

function show() {
  const { rankings, totalCount } = board;
  const glide = startGlide();
  place(rankings);
  glide();
  say(byId('total'), whole.format(totalCount));
  say(byId('people'), totalCount === 1 ? 'participant' : 'participants');
  byId('nobody').hidden = rankings.length > 0;
  byId('more').hidden = totalCount <= rankings.length;
  say(byId('more'), `the best ${whole.format(rankings.length)} are shown`);
  document.dispatchEvent(new CustomEvent('board', { detail: board })); // for what stands beside it
}

function place(rankings) {
  const best = Math.max(0, ...rankings.map((entry) => entry.score));
  const here = new Set(rankings.map((entry) => entry.userId));
  for (const [userId, row] of rows) {
    if (!here.has(userId)) { rows.delete(userId); row.remove(); }
  }
  rankings.forEach((entry, index) => {
    const row = rows.get(entry.userId) || newRow(entry.userId);
    fill(row, entry, best);
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] || null);
  });
}

function newRow(userId) {
  const row = blank.cloneNode(true);
  row.dataset.user = userId;
  if (userId === page.dataset.me) row.id = 'me';
  rows.set(userId, row);
  return row;
}

function fill(row, entry, best) {
  const score = row.querySelector('.score b');
  const before = score.textContent;
  const name = row.querySelector('.name');
  say(name, entry.userName);
  name.title = entry.userName;
  say(row.querySelector('.rank'), String(entry.rank));
  say(score, whole.format(entry.score));
  say(row.querySelector('.aside span'),
    page.dataset.metric === 'distance' ? whole.format(entry.steps) : distance(entry.distance));
  row.dataset.medal = entry.rank <= 3 && entry.score > 0 ? entry.rank : 0;
  row.style.setProperty('--share', `${best > 0 ? (100 * entry.score) / best : 0}%`);
  if (row.isConnected && before !== score.textContent) {
    score.animate([{ color: 'var(--accent)' }, {}], { duration: 900, easing: 'ease-out' });
  }
}

/* First, last, invert, play: where every row is on the screen now, even in mid-glide; then it is moved; then it glides
   from there. A row whose place did not change goes on with the glide it is in. */
function startGlide() {
  if (calm.matches || document.hidden) return () => {};
  const before = new Map([...rows.values()].map((row) => [row, { rect: row.getBoundingClientRect(), ...placeOf(row) }]));
  return () => {
    const moved = [...rows.values()].filter((row) => {
      const old = before.get(row);
      return !old || old.top !== row.offsetTop || old.left !== row.offsetLeft;
    });
    moved.forEach((row) => row.gliding && row.gliding.cancel());
    const targets = moved.map((row) => row.getBoundingClientRect()); // read all, then animate: one layout, not many
    moved.forEach((row, index) => glideTo(row, before.get(row), targets[index]));
  };
}

function placeOf(row) {
  return { top: row.offsetTop, left: row.offsetLeft };
}

function glideTo(row, old, target) {
  const start = old
    ? { transform: `translate(${old.rect.left - target.left}px, ${old.rect.top - target.top}px)` }
    : { opacity: 0, transform: 'translateY(0.5rem)' };
  const zIndex = old && old.rect.top > target.top ? 2 : 1; // who climbs passes in front
  row.gliding = row.animate([{ ...start, zIndex }, { opacity: 1, transform: 'none', zIndex }],
    { duration: 700, easing: 'cubic-bezier(0.2, 0.8, 0.2, 1)' });
}

/* --- The socket --- */

const link = byId('link');
const silenceMeansDead = 60 * seconds;
const pingEvery = 25 * seconds;
const answerWithin = 10 * seconds;
let socket = null;
let presented = null;
let tries = 0;
let retry = 0;
let notBefore = 0;
let heardAt = 0;
let pingedAt = 0;
let behindSince = 0; // since when we know of a board that we do not have; 0: we have all there is
let farewell = {};
let stopped = false;

function status(state, text) {
  link.hidden = false;
  link.dataset.state = state;
  say(link, text);
}

function connect() {
  clearTimeout(retry);
  const { epoch, version } = board;
  const from = behindSince ? {} : { epoch, version }; // where asking for the rest did not help, the whole is sent
  const url = new URL(`/ws/leaderboard/${page.dataset.board}`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.search = new URLSearchParams({ mode: 'delta', ticket: ticket.text, ...from });
  socket = new WebSocket(url);
  presented = ticket;
  heardAt = pingedAt = Date.now();
  behindSince = behindSince && Date.now(); // a new socket, a new chance
  socket.onopen = ping;
  socket.onmessage = (message) => heard(JSON.parse(message.data));
  socket.onclose = (event) => closed(event.code);
}

function ping() {
  pingedAt = Date.now();
  socket.send('{"type":"ping"}');
}

function heard(message) {
  heardAt = Date.now();
  if (message.type === 'closing') {
    farewell = message;
    return;
  }
  tries = 0; // only now: a refused socket opens, too, so that it can say why it closes
  let outcome;
  [board, outcome] = apply(board, message);
  if (outcome === 'applied') {
    behindSince = 0;
    show();
  } else if (outcome === 'resume' && !behindSince) {
    behindSince = Date.now();
    socket.send(JSON.stringify(resume(board)));
  }
  if (!behindSince) status('live', 'Live');
}

function closed(code) {
  const { retryAfterMs } = farewell;
  socket = null;
  farewell = {};
  if (code === 4403 || code === 4404) {
    stopped = true;
    status('gone', 'This board is no longer here');
  } else if (code === 4401) {
    status('waiting', 'Renewing…');
    retry = setTimeout(presented === ticket ? renewAndConnect : connect, backOff());
  } else {
    status('waiting', navigator.onLine ? 'Reconnecting…' : 'Offline');
    const wait = retryAfterMs === undefined ? backOff() : retryAfterMs;
    notBefore = Date.now() + (retryAfterMs || 0);
    retry = setTimeout(connect, wait);
  }
}

function backOff() { // jitter: not everybody at once
  return Math.min(15 * seconds, 0.7 * seconds * 2 ** tries++) * (0.7 + 0.3 * Math.random());
}

function drop() { // without waiting for a dead connection to say goodbye
  if (!socket) return;
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
  closed(1006);
}

function connectAtOnce() {
  if (stopped || socket || Date.now() < notBefore) return;
  tries = 0;
  connect();
}

function reload() { // a reload without a server would leave an error page that never comes back
  fetch(location.href, { method: 'HEAD', cache: 'no-store' })
    .then(() => location.reload(), () => (socket ? drop() : closed(1006)));
}

addEventListener('online', connectAtOnce);
addEventListener('offline', drop);
document.addEventListener('visibilitychange', () => document.hidden || connectAtOnce());

/* --- The ticket --- */

let ticket = ticketOf(page.dataset.ticket, page.dataset.ticketExpiresAt);

/* Renewed after 80 % of its life, give or take, so that the pages of one moment do not come back in one moment. */
function ticketOf(text, expiresAt) {
  const life = Math.max(60 * seconds, Date.parse(expiresAt) - serverNow());
  return { text, renewAt: Date.now() + life * (0.8 - 0.05 * Math.random()) };
}

/* True when there is a fresh one, false when the server gives none, undefined when it could not be asked. */
async function renew() {
  try {
    const body = JSON.stringify({ ticket: ticket.text });
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch('/api/v1/auth/ticket', { method: 'POST', headers, body });
    if (!answer.ok) return answer.status === 401 ? false : undefined;
    const { data } = await answer.json();
    ticket = ticketOf(data.ticket, data.expires_at);
    return true;
  } catch {
    return undefined;
  }
}

async function renewInTime() {
  ticket.renewAt = Date.now() + 60 * seconds; // should this not succeed; the socket goes on in any case
  await renew();
}

async function renewAndConnect() {
  const renewed = await renew();
  if (socket || stopped) return;
  if (renewed) {
    connect();
  } else if (renewed === undefined) {
    closed(1006);
  } else { // the page itself knows what is left of the board; at most once a minute, lest it reload in a loop
    retry = setTimeout(reload, Math.max(2 * seconds * Math.random(), loadedAt + 60 * seconds - Date.now()));
  }
}

/* --- What moves with time --- */

const waiting = byId('waiting');
const span = document.querySelector('.span');

function ago(elapsed) {
  const past = Math.max(0, Math.floor(elapsed / seconds));
  if (past < 1) return 'just now';
  if (past < 60) return `${past} s ago`;
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  return past < 172800 ? `${Math.floor(past / 3600)} h ago` : `${Math.floor(past / 86400)} days ago`;
}

function left(until) {
  const rest = Math.max(0, Math.floor((until - serverNow()) / seconds));
  if (rest >= 172800) return `${Math.floor(rest / 86400)} days`;
  const clock = [rest / 3600, (rest / 60) % 60, rest % 60].map((part) => String(Math.floor(part)).padStart(2, '0'));
  return clock.join(':');
}

function tick() {
  byId('updated').textContent = `updated ${ago(serverNow() - Date.parse(board.timestamp))}`;
  if (waiting) say(waiting, left(Date.parse(waiting.dataset.until)));
  if (span) {
    const [start, end] = [page.dataset.start, page.dataset.end].map(Date.parse);
    span.style.setProperty('--done', `${Math.min(100, Math.max(0, (100 * (serverNow() - start)) / (end - start)))}%`);
  }
  if (!socket || socket.readyState !== WebSocket.OPEN) {
    if (socket && Date.now() - pingedAt > 15 * seconds) drop(); // a handshake that nobody answers
  } else if (Date.now() - heardAt > silenceMeansDead && pingedAt > heardAt) {
    drop();
  } else if (behindSince && Date.now() - behindSince > answerWithin) {
    drop();
  } else if (Date.now() - Math.max(heardAt, pingedAt) > pingEvery) {
    ping();
  }
  if (Date.now() > ticket.renewAt && !stopped) renewInTime();
  // The status or the day has changed: the server knows the new words. Spread out, and only while it is there.
  if (Date.now() - loadedAt > Number(page.dataset.reloadIn) * seconds + spread && link.dataset.state === 'live') {
    page.dataset.reloadIn = (Date.now() - loadedAt) / seconds + 60; // should it not succeed
    reload();
  }
}

const spread = (1 + 9 * Math.random()) * seconds;
setInterval(tick, seconds);
tick();
connect();
