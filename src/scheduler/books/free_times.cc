#include "scheduler/books/free_times.h"

#include <algorithm>
#include <bit>

namespace millrace::scheduler {

FreeTimes::FreeTimes(std::size_t nodes, std::int32_t devices)
    : leaves_(static_cast<std::uint32_t>(std::bit_ceil(std::max<std::size_t>(nodes, 1)))),
      trees_(static_cast<std::size_t>(devices) + 2,
             std::vector<std::int64_t>(2 * std::size_t{leaves_}, INT64_MAX)) {}

void FreeTimes::set(std::uint32_t place, const Times& times) {
  for (std::size_t k = 0; k < trees_.size(); ++k) {
    auto& tree = trees_[k];
    std::size_t i = leaves_ + place;
    tree[i] = k + 1 < trees_.size() ? times[k] : times[kFirstEnd];
    for (i /= 2; i > 0; i /= 2) {
      const std::int64_t least = std::min(tree[2 * i], tree[2 * i + 1]);
      if (tree[i] == least) break;
      tree[i] = least;
    }
  }
}

FreeTimes::Walk::Walk(const FreeTimes& times, std::int32_t k)
    : tree_(&times.tree(k)), leaves_(times.leaves_) {
  push(1, 0);
}

void FreeTimes::Walk::push(std::uint32_t tree_node, std::uint32_t first) {
  const std::int64_t at = (*tree_)[tree_node];
  if (at != INT64_MAX) open_.push({at, first, tree_node});
}

std::optional<FreeTimes::Walk::Step> FreeTimes::Walk::peek() {
  while (!open_.empty() && open_.top().tree_node < leaves_) {
    const Open top = open_.top();
    open_.pop();
    ++steps;
    const std::uint32_t left = top.tree_node * 2;
    // Leaves below a node of this depth.
    const std::uint32_t width = leaves_ / std::bit_floor(left);
    push(left, top.first);
    push(left + 1, top.first + width);
  }
  if (open_.empty()) return std::nullopt;
  return Step{open_.top().at, open_.top().first};
}

void FreeTimes::Walk::pop() { open_.pop(); }

}  // namespace millrace::scheduler
