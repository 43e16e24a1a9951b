// Page: one page of a listing, and how a page is cut from records of the store.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "store/store.h"

namespace millrace::identity {

/// `next` is what to pass as `after` for the following page; nullopt at the end.
template <typename T>
struct Page {
  std::vector<T> data;
  std::optional<std::string> next;
};

/// Records read from the store at once.
inline constexpr std::size_t kScanRecords = 512;

/// The page of records under `prefix` that comes after the name `after`: at most `limit` (at least one) of those that
/// `keep` accepts, each read by `parse`.
template <typename T, typename Parse, typename Keep>
Result<Page<T>> page_of(const store::Store& store, std::string_view prefix, std::size_t limit,
                        std::string_view after, Parse parse, Keep keep) {
  limit = std::max<std::size_t>(limit, 1);
  Page<T> page;
  std::string last = after.empty() ? std::string{} : std::string(prefix) + std::string(after);
  std::string last_kept;
  for (;;) {
    const auto records = TRY(store.list(prefix, last, kScanRecords));
    for (const store::Record& record : records) {
      T item = TRY(parse(record.value));
      if (!keep(item)) continue;
      if (page.data.size() == limit) {
        page.next = last_kept.substr(prefix.size());
        return page;
      }
      page.data.push_back(std::move(item));
      last_kept = record.key;
    }
    if (records.size() < kScanRecords) return page;
    last = records.back().key;
  }
}

}  // namespace millrace::identity
