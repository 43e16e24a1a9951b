// Paging: the part of a list that one answer carries. A cursor is the id of the last element sent.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api {

inline constexpr std::int64_t kPageDefault = 100;
inline constexpr std::int64_t kPageMax = 1000;

template <typename T>
struct Page {
  std::vector<T> data;
  std::string next;  // empty: this was the last page
};

/// The first `limit` of `all` whose id comes after `after` in byte order. Following `next` until it is empty yields
/// each element that was there throughout once, in order, whatever was added or removed in between.
template <typename T, typename IdOf>
Page<T> page_of(std::vector<T> all, std::string_view after, std::size_t limit, IdOf id_of) {
  std::ranges::sort(all, {}, [&](const T& item) { return std::string(id_of(item)); });
  auto first =
      std::ranges::find_if(all, [&](const T& item) { return std::string_view(id_of(item)) > after; });
  Page<T> page;
  for (; first != all.end() && page.data.size() < limit; ++first) page.data.push_back(std::move(*first));
  if (first != all.end() && !page.data.empty()) page.next = id_of(page.data.back());
  return page;
}

}  // namespace millrace::api
