/* A leaderboard as a client keeps it: feed it every frame, draw `board.rankings`. No dependencies, no build step.

     import { apply, resume } from './leaderboard.js';
     let board = null;
     socket.onmessage = (message) => {
       let outcome;
       [board, outcome] = apply(board, JSON.parse(message.data));
       if (outcome === 'resume') socket.send(JSON.stringify(resume(board))); // the answer is one more frame
     };

   A *snapshot* (`leaderboard_update`) is the whole board. A *delta* (`leaderboard_delta`, with `mode=delta`) leads from
   version `from` to `version`. Frames may be lost, come twice or overtake each other: whatever does not fit is either
   old and 'ignored', or there is a gap and the outcome is 'resume'. Versions count within one epoch; a new epoch means
   that the server's board began anew. */

/* The board after this frame, and what became of the frame: 'applied', 'ignored' or 'resume'. `board` is null before the
   first snapshot, and is never changed in place. Frames of other kinds and other boards are ignored. */
export function apply(board, frame) {
  const data = frame.data;
  if (board && data && data.competitionId !== board.competitionId) return [board, 'ignored'];
  if (frame.type === 'leaderboard_update') return snapshot(board, data);
  if (frame.type === 'leaderboard_delta') return delta(board, data);
  return [board, 'ignored'];
}

/* What to send after 'resume'. The server answers with a delta from exactly this version, or with a snapshot. */
export function resume({ competitionId, epoch, version }) {
  return { type: 'resume', competitionId, epoch, version };
}

function snapshot(board, data) {
  if (board && data.epoch === board.epoch && data.version < board.version) return [board, 'ignored'];
  return [boardOf(data, data.rankings), 'applied'];
}

function delta(board, data) {
  if (!board) return [board, 'ignored']; // nothing to resume from either: the snapshot is still on its way
  if (data.epoch === board.epoch && data.version <= board.version) return [board, 'ignored'];
  if (data.epoch !== board.epoch || data.from !== board.version) return [board, 'resume'];
  // Rows that are not listed stay in the order they have, and fill the places between those that are.
  const listed = new Map(data.rows.map(({ index, ...row }) => [index, row]));
  const gone = new Set([...data.removed, ...data.rows.map((row) => row.userId)]);
  const kept = board.rankings.filter((row) => !gone.has(row.userId));
  const rest = kept.values();
  const places = [...Array(kept.length + listed.size).keys()];
  const rankings = places.map((index) => listed.get(index) || rest.next().value);
  return [boardOf(data, ranked(rankings, data)), 'applied'];
}

/* The first row has `firstRank`; `offset` rows of the board stand before it. */
function ranked(rankings, { firstRank, offset, tieRule }) {
  let rank = firstRank;
  return rankings.map((row, index) => {
    const shared = tieRule === 'shared' && index > 0 && row.score === rankings[index - 1].score;
    if (index > 0 && !shared) rank = offset + index + 1;
    return { ...row, rank };
  });
}

function boardOf({ competitionId, epoch, version, tieRule, offset, totalCount, timestamp }, rankings) {
  return { competitionId, epoch, version, tieRule, offset, totalCount, timestamp, rankings };
}
