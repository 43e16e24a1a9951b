// Paging: the part of a list that one answer carries. A cursor is the id of the last element sent.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "identity/page.h"

namespace millrace::api {

inline constexpr std::int64_t kPageDefault = 100;
inline constexpr std::int64_t kPageMax = 1000;

/// The first `limit` of `all` whose id comes after `after` in byte order. Following `next` to the end yields each
/// element that was there throughout once, in order, whatever was added or removed in between.
template <typename T, typename IdOf>
identity::Page<T> page_of(std::vector<T> all, std::string_view after, std::size_t limit, IdOf id_of) {
  std::ranges::sort(all, {}, [&](const T& item) { return std::string(id_of(item)); });
  auto first =
      std::ranges::find_if(all, [&](const T& item) { return std::string_view(id_of(item)) > after; });
  identity::Page<T> page;
  for (; first != all.end() && page.data.size() < limit; ++first) page.data.push_back(std::move(*first));
  if (first != all.end() && !page.data.empty()) page.next = id_of(page.data.back());
  return page;
}

}  // namespace millrace::api
