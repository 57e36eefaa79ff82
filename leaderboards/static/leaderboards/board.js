/* Keeps the board fresh. The page is whole without it: the server wrote every row that this moves.
   Texts from people go in by textContent only. */
'use strict';
(() => {
  const page = document.getElementById('board-page');
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

  const rows = new Map([...list.children].map((row) => [row.dataset.user, row]));
  const shown = { epoch: page.dataset.epoch, version: Number(page.dataset.version) };
  let updatedAt = Date.parse(page.dataset.updatedAt);

  function distance(metres) { // cut off as the server does, never rounded up
    return metres < 1000 ? `${Math.trunc(metres)} m` : `${tenths.format(Math.floor(metres / 100) / 10)} km`;
  }

  function show(data) {
    if (data.competitionId !== page.dataset.board) return;
    if (data.epoch === shown.epoch && data.version < shown.version) return; // a late frame
    Object.assign(shown, { epoch: data.epoch, version: data.version });
    updatedAt = Date.parse(data.timestamp);
    const glide = startGlide();
    place(data.rankings);
    glide();
    say(byId('total'), whole.format(data.totalCount));
    say(byId('people'), data.totalCount === 1 ? 'participant' : 'participants');
    byId('nobody').hidden = data.rankings.length > 0;
    byId('more').hidden = data.totalCount <= data.rankings.length;
    say(byId('more'), `the best ${whole.format(data.rankings.length)} are shown`);
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
  let socket = null;
  let tries = 0;
  let retry = 0;
  let heardAt = 0;
  let pingedAt = 0;
  let stopped = false;

  function status(state, text) {
    link.hidden = false;
    link.dataset.state = state;
    say(link, text);
  }

  function connect() {
    clearTimeout(retry);
    const url = new URL(`/ws/leaderboard/${page.dataset.board}`, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    url.searchParams.set('ticket', page.dataset.ticket);
    socket = new WebSocket(url);
    heardAt = pingedAt = Date.now();
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
    tries = 0; // only now: a refused socket opens, too, so that it can say why it closes
    status('live', 'Live');
    if (message.type === 'leaderboard_update') show(message.data);
  }

  function closed(code) {
    socket = null;
    if (code === 4403 || code === 4404) {
      stopped = true;
      status('gone', 'This board is no longer here');
    } else if (code === 4401) {
      status('waiting', 'Renewing…');
      // A fresh page whose ticket is refused all the same must not reload in a loop.
      retry = setTimeout(reload, Date.now() - loadedAt > 60 * seconds ? Math.random() * 2 * seconds : 15 * seconds);
    } else {
      status('waiting', navigator.onLine ? 'Reconnecting…' : 'Offline');
      const longest = Math.min(15 * seconds, 0.7 * seconds * 2 ** tries++);
      retry = setTimeout(connect, longest * (0.7 + 0.3 * Math.random())); // jitter: not everybody at once
    }
  }

  function drop() { // without waiting for a dead connection to say goodbye
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    closed(1006);
  }

  function connectAtOnce() {
    if (stopped || socket) return;
    tries = 0;
    connect();
  }

  function reload() { // a reload without a server would leave an error page that never comes back
    fetch(location.href, { method: 'HEAD', cache: 'no-store' }).then(() => location.reload(), () => closed(1006));
  }

  addEventListener('online', connectAtOnce);
  addEventListener('offline', drop);
  document.addEventListener('visibilitychange', () => document.hidden || connectAtOnce());

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
    byId('updated').textContent = `updated ${ago(serverNow() - updatedAt)}`;
    if (waiting) say(waiting, left(Date.parse(waiting.dataset.until)));
    if (span) {
      const [start, end] = [page.dataset.start, page.dataset.end].map(Date.parse);
      span.style.setProperty('--done', `${Math.min(100, Math.max(0, (100 * (serverNow() - start)) / (end - start)))}%`);
    }
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      if (socket && Date.now() - pingedAt > 15 * seconds) drop(); // a handshake that nobody answers
    } else if (Date.now() - heardAt > silenceMeansDead && pingedAt > heardAt) {
      drop();
    } else if (Date.now() - Math.max(heardAt, pingedAt) > pingEvery) {
      ping();
    }
    // The status or the day has changed: the server knows the new words. Spread out, and only while it is there.
    if (Date.now() - loadedAt > Number(page.dataset.reloadIn) * seconds + spread && link.dataset.state === 'live') {
      page.dataset.reloadIn = Infinity;
      reload();
    }
  }

  const spread = (1 + 9 * Math.random()) * seconds;
  setInterval(tick, seconds);
  tick();
  connect();
})();
