/* Sockets that come back by themselves: boards as they move, and one's own activity.

     const close = watchBoards({ base, boards: [id], ticket: api.ticket, board: draw, ended: (code) => … });

   Every connection takes a ticket of its own. A gap in the versions asks for what is missing, and a broken connection
   goes on from the version that is held. Whoever is sent away comes back when the server says, or else after a pause
   that doubles up to 15 s and differs from client to client. 4403 and 4404 are final, and so is a log-in that has ended. */
import { apply, resume } from '../../clients/leaderboard.js';

export interface Board {
  competitionId: string;
  epoch: string;
  version: number;
  totalCount: number;
  offset: number;
  tieRule: 'first_to_reach' | 'shared';
  timestamp: string;
  rankings: { userId: string; userName: string; avatar: string | null; score: number; rank: number;
              steps: number; distance: number; calories: number }[];
}

export interface Connection {
  base: string; // https://steps.example.org
  ticket: () => Promise<string>;
  ended?: (code: number) => void; // the server has let go for good
  WebSocket?: typeof globalThis.WebSocket; // that of `ws` where the platform has none, as Node 20
  quietMs?: number; // nothing heard for so long: ask. Nothing for as long again: connect anew
}

type Frame = { type: string; retryAfterMs?: number; data?: any };
type Say = (message: object) => void;

/* Any number of boards on one socket, the first of which it is opened for. Returns what closes it. */
export function watchBoards(to: Connection & { boards: string[]; board: (board: Board) => void }): () => void {
  const held = new Map<string, Board | null>(to.boards.map((id) => [id, null]));
  const asked = new Map<string, ReturnType<typeof setTimeout>>(); // for what a gap has left out
  const [first, ...others] = to.boards;
  const at = (id: string): Record<string, string> => {
    const board = held.get(id);
    return { mode: 'delta', ...(board && { epoch: board.epoch, version: `${board.version}` }) };
  };
  return hold(to, {
    path: () => `/ws/leaderboard/${first}?${new URLSearchParams(at(first!))}`,
    begun: (say) => others.forEach((id) => say({ type: 'subscribe', competitionId: id, ...at(id) })),
    heard(frame, say, anew) {
      const id: string = frame.data?.competitionId;
      if (!held.has(id)) return;
      const [board, outcome] = apply(held.get(id), frame) as [Board | null, 'applied' | 'ignored' | 'resume'];
      held.set(id, board);
      if (outcome === 'applied') {
        clearTimeout(asked.get(id));
        asked.delete(id);
        to.board(board!);
      } else if (outcome === 'resume' && !asked.has(id)) {
        say(resume(board!));
        asked.set(id, setTimeout(() => { asked.delete(id); held.set(id, null); anew(); }, 10_000));
      }
    },
  });
}

/* What each sync of one's own has changed; the first after every connect has `snapshot` true. Returns what closes it. */
export function followActivity(to: Connection & { update: (data: any) => void }): () => void {
  return hold(to, { path: () => '/ws/fitness?', heard: (frame) => frame.type === 'fitness_update' && to.update(frame.data) });
}

function hold(to: Connection, on: { path: () => string; begun?: (say: Say) => void;
                                    heard: (frame: Frame, say: Say, anew: () => void) => void }): () => void {
  const { WebSocket = globalThis.WebSocket, quietMs = 30_000 } = to;
  let socket: WebSocket | null = null, closed = false, pauseMs = 1000, retryMs: number | undefined;
  let timer: ReturnType<typeof setTimeout>; // until we connect, or until it has been quiet for too long

  const say: Say = (message) => { if (socket?.readyState === 1) socket.send(JSON.stringify(message)); };
  const listen = (then: () => void) => { clearTimeout(timer); timer = setTimeout(then, quietMs); };
  const ask = () => { say({ type: 'ping' }); listen(anew); };
  function anew() { // a dead connection does not say so: its close is not waited for
    socket?.close();
    socket = null;
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(connect, retryMs ?? pauseMs * (0.5 + Math.random()));
    if (retryMs === undefined) pauseMs = Math.min(2 * pauseMs, 15_000);
    retryMs = undefined;
  }
  function close(code?: number) {
    closed = true;
    clearTimeout(timer);
    socket?.close();
    if (code) to.ended?.(code);
  }
  async function connect() {
    let ticket: string;
    try {
      ticket = await to.ticket();
    } catch (error) {
      return (error as { status?: number }).status === 401 ? close(4401) : anew();
    }
    if (closed) return;
    const here = (socket = new WebSocket(`${to.base.replace(/^http/, 'ws')}${on.path()}&ticket=${encodeURIComponent(ticket)}`));
    listen(ask);
    here.onopen = () => on.begun?.(say);
    here.onerror = () => {}; // its close follows
    here.onclose = ({ code }) => { if (socket === here) [4403, 4404].includes(code) ? close(code) : anew(); };
    here.onmessage = ({ data }) => {
      if (socket !== here) return;
      const frame: Frame = JSON.parse(data);
      listen(ask);
      if (frame.data) pauseMs = 1000;
      if (frame.type === 'closing') retryMs = frame.retryAfterMs;
      on.heard(frame, say, anew);
    };
  }
  void connect();
  return () => close();
}
