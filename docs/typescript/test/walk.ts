/* A client beside a real server, told by standard input what to do; says what it sees, a line of JSON each.
   Run by tests/clients/test_typescript.py, which kills the server meanwhile. */
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { signIn } from '../src/api.js';
import { followActivity, watchBoards } from '../src/live.js';

const [base, email, password, competition] = process.argv.slice(2) as [string, string, string, string];
const say = (what: object) => console.log(JSON.stringify(what));
const api = await signIn(base, email, password);
const to = { base, ticket: api.ticket, WebSocket: WebSocket as unknown as typeof globalThis.WebSocket };

const closing = [
  watchBoards({ ...to, boards: [competition], board: ({ epoch, version, rankings }) => say({ epoch, version, rankings }),
                ended: (code) => say({ ended: code }) }),
  followActivity({ ...to, update: ({ snapshot, totals }) => say({ snapshot, steps: totals.steps }) }),
];

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'leave') break;
  const { data, error } = await api.POST('/api/v1/fitness/sync', { body: { steps: Number(line), source: 'health_connect' } });
  say(data ? { accepted: data.data.accepted } : { refused: error?.code });
}
closing.forEach((close) => close());
const board = await api.GET('/api/v1/leaderboard/{competition_id}', { params: { path: { competition_id: competition } } });
say({ entries: board.data?.data.entries.map(({ user_id, score, rank }) => [user_id, score, rank]) });
