/* The socket client beside a server that loses frames, falls silent and sends people away. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, test } from 'node:test';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer, type WebSocket as Socket } from 'ws';
import { watchBoards, type Board } from '../src/live.js';

const ID = '6a1f9a52-5d0b-4ee2-9a51-1f9d5d0b4ee2';
const OTHER = '7b1f9a52-5d0b-4ee2-9a51-1f9d5d0b4ee2';
let server: WebSocketServer, seen: Board[], ended: number[], tickets: number, close: () => void;

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  [seen, ended, tickets, close] = [[], [], 0, () => {}];
});
afterEach(() => {
  close();
  server.clients.forEach((client) => client.terminate());
  server.close();
});

function watch(options: { boards?: string[]; quietMs?: number; ticket?: () => Promise<string> } = {}) {
  close = watchBoards({
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    boards: [ID],
    ticket: async () => `ticket-${++tickets}`,
    board: (board) => seen.push(board),
    ended: (code) => ended.push(code),
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    ...options,
  });
}

async function comes(): Promise<[Socket, URL, () => Promise<any>]> {
  const [socket, request] = (await once(server, 'connection')) as [Socket, { url: string }];
  return [socket, new URL(request.url, 'http://here'), async () => JSON.parse(String((await once(socket, 'message'))[0]))];
}

const row = (score: number) => ({ userId: 'ada', userName: 'Ada', avatar: null, score, steps: score, distance: 0, calories: 0 });
const about = { epoch: 'e', timestamp: '2026-06-01T00:00:00Z', totalCount: 1, offset: 0, tieRule: 'shared' };
const snapshot = (version: number, id = ID) => JSON.stringify(
  { type: 'leaderboard_update', data: { ...about, competitionId: id, version, rankings: [{ ...row(version), rank: 1 }] } });
const delta = (from: number, version: number) => JSON.stringify(
  { type: 'leaderboard_delta', data: { ...about, competitionId: ID, from, version, firstRank: 1, removed: [], rows: [{ index: 0, ...row(version) }] } });
const scores = () => seen.map((board) => board.rankings[0]!.score);
async function until(holds: () => boolean) {
  while (!holds()) await new Promise((done) => setTimeout(done, 5));
}

test('a gap in the versions asks once for what is missing', { timeout: 10_000 }, async () => {
  watch();
  const [socket, , said] = await comes();
  socket.send(snapshot(1));
  socket.send(delta(1, 2));
  const asked = said();
  socket.send(delta(5, 6)); // 3 to 5 were lost
  socket.send(delta(6, 7));
  assert.deepEqual(await asked, { type: 'resume', competitionId: ID, epoch: 'e', version: 2 });
  socket.send(delta(2, 7));
  socket.send(delta(7, 8));
  await until(() => seen.length === 4);
  assert.deepEqual(scores(), [1, 2, 7, 8]);
});

test('a broken connection goes on from what is held, by a fresh ticket, with every board', { timeout: 10_000 }, async () => {
  watch({ boards: [ID, OTHER] });
  const [first, url, said] = await comes();
  assert.deepEqual([url.pathname, url.searchParams.get('ticket'), url.searchParams.get('version')], [`/ws/leaderboard/${ID}`, 'ticket-1', null]);
  assert.equal((await said()).competitionId, OTHER);
  first.send(snapshot(41));
  first.send(snapshot(9, OTHER));
  await until(() => seen.length === 2);
  first.send(JSON.stringify({ type: 'closing', code: 1012, message: 'restarts', retryAfterMs: 10 }));
  first.close(1012);
  const [, again, subscribed] = await comes();
  assert.deepEqual([...again.searchParams], [['mode', 'delta'], ['epoch', 'e'], ['version', '41'], ['ticket', 'ticket-2']]);
  assert.deepEqual(await subscribed(), { type: 'subscribe', competitionId: OTHER, mode: 'delta', epoch: 'e', version: '9' });
});

test('without a word about when, pauses double and differ', { timeout: 20_000 }, async () => {
  watch();
  const came: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const [socket] = await comes();
    came.push(performance.now());
    socket.terminate();
  }
  const [first, second] = [came[1]! - came[0]!, came[2]! - came[1]!];
  assert.ok(first >= 490 && first < 2000, `${first} ms`); // 1 s, times 0.5 to 1.5
  assert.ok(second >= 990 && second < 3500, `${second} ms`); // 2 s, likewise
});

test('a server that falls silent is asked, and then left', { timeout: 10_000 }, async () => {
  watch({ quietMs: 50 });
  const [silent, , said] = await comes();
  assert.deepEqual(await said(), { type: 'ping' });
  const [socket, , again] = await comes();
  assert.notEqual(socket, silent);
  assert.deepEqual(await again(), { type: 'ping' });
  socket.send('{"type": "pong"}');
  assert.deepEqual(await once(socket, 'message').then(([text]) => JSON.parse(String(text))), { type: 'ping' }, 'still the same socket');
});

for (const code of [4403, 4404]) {
  test(`${code} is final`, { timeout: 10_000 }, async () => {
    watch();
    const [socket] = await comes();
    socket.close(code);
    await until(() => ended.length > 0);
    assert.deepEqual([ended, tickets], [[code], 1]);
  });
}

test('an ended token takes another ticket, and an ended log-in is final', { timeout: 10_000 }, async () => {
  let refuse = false;
  watch({ ticket: async () => {
    if (refuse) throw Object.assign(new Error('log in again'), { status: 401 });
    return `ticket-${++tickets}`;
  } });
  (await comes())[0].close(4401);
  const [socket] = await comes();
  refuse = true;
  socket.close(4401);
  await until(() => ended.length > 0);
  assert.deepEqual([ended, tickets], [[4401], 2]);
});
