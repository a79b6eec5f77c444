// Every sample row with its prediction, by the weights as they are now.
import { features } from "./inputs.js";
import { decide } from "./prediction.js";

const SLICE_MS = 40; // of computing, before the browser may do other things
const SHOWN_EVERY_MS = 1000;

// Those that are known; the first of them at once, the others while `judgeOthers` goes on.
export function judgeRows(session) {
  if (session.judged?.version !== session.weightsVersion) {
    const rows = Array.from({ length: session.quickRows }, (_, place) => judge(session, place));
    session.judged = { version: session.weightsVersion, rows };
  }
  return session.judged.rows;
}

// Judges the rest in slices while `isWanted`, and shows what there is every second and at the end.
export function judgeOthers(session, isWanted, show) {
  const { judged } = session,
    { rows } = judged,
    { n } = session.about.rows;
  if (judged.isGoingOn || rows.length >= n) return;
  judged.isGoingOn = true;
  let shown = performance.now();
  const goOn = () => {
    judged.isGoingOn = isWanted() && session.judged === judged;
    if (!judged.isGoingOn || judged.version !== session.weightsVersion) return;
    const until = performance.now() + SLICE_MS;
    while (rows.length < n && performance.now() < until) rows.push(judge(session, rows.length));
    judged.isGoingOn = rows.length < n;
    if (judged.isGoingOn) setTimeout(goOn);
    if (judged.isGoingOn && performance.now() < shown + SHOWN_EVERY_MS) return;
    shown = performance.now();
    show();
  };
  setTimeout(goOn);
}

function judge(session, place) {
  const { about } = session,
    values = session.rowAt(place);
  return {
    place,
    x: features(values, about.preprocessor),
    ...decide(session.outputsOf(values), about),
    actual: about.rows.actual?.[place] ?? null,
  };
}
