// Who searches for a parameter wants the page of the estimator that has it. PARAMETERS is from conf.py.
const queried = new URLSearchParams(window.location.search).get("q");
var Scorer = {
  score: ([docname, title, anchor, description, score]) => {
    const isEstimator = docname.startsWith("generated/sk_twolayer.TwoLayer");
    if (isEstimator && PARAMETERS.includes(queried)) return score + 100;
    return docname === "changelog" ? score - 10 : score;
  },
  // The rest is as Sphinx has it.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
