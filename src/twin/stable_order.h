// Stable order: sorts a vector by a key and keeps equals as they are (std::stable_sort of libstdc++ 12 warns under clang).
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

namespace millrace::twin {

template <typename Item, typename Projection>
void sort_stably(std::vector<Item>& items, Projection key) {
  const auto before = [&](const Item& a, const Item& b) { return std::invoke(key, a) < std::invoke(key, b); };
  if (std::ranges::is_sorted(items, before)) return;
  std::vector<std::uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    if (before(items[a], items[b])) return true;
    return !before(items[b], items[a]) && a < b;
  });
  std::vector<Item> sorted;
  sorted.reserve(items.size());
  for (const auto at : order) sorted.push_back(std::move(items[at]));
  items = std::move(sorted);
}

}  // namespace millrace::twin
