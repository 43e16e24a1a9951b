// Speed: how fast work goes on an accelerator that may draw less than it would.
#pragma once

#include <algorithm>

namespace millrace::scheduler {

/// Cube root of x in (0, 1] by Newton's iteration (the same last bit everywhere, unlike libm's).
inline double cube_root(double x) {
  double root = 1.0;
  for (int i = 0; i < 64; ++i) {
    const double next = (2.0 * root + x / (root * root)) / 3.0;
    if (next >= root) break;
    root = next;
  }
  return root;
}

/// Share of full speed when the draw above idle is held to `share` of what the work would take: the cube root, because
/// switching power is C V^2 f and voltage follows frequency (Mudge, "Power: a first-class architectural design
/// constraint", IEEE Computer 34(4), 2001). A lower bound for work that waits for memory: V100s held to 150 of their 250 W
/// trained language models with 13.7 % less energy, so they lost less than this model says (McDonald et al., "Great Power,
/// Great Responsibility", NAACL Findings 2022).
inline double speed_under_cap(double share) { return share >= 1.0 ? 1.0 : cube_root(std::max(share, 1e-3)); }

}  // namespace millrace::scheduler
