#include "api/handlers/paging.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace millrace::api {
namespace {

const auto kSelf = [](const std::string& text) { return text; };

RC_GTEST_PROP(Paging, following_next_yields_every_element_once_in_order, (const std::set<std::string>& all)) {
  const auto limit = std::size_t(*rc::gen::inRange(1, 7));
  std::vector<std::string> shuffled(all.begin(), all.end());
  std::ranges::reverse(shuffled);
  std::vector<std::string> seen;
  std::string after;
  while (true) {
    const auto page = page_of(shuffled, after, limit, kSelf);
    RC_ASSERT(page.data.size() <= limit);
    seen.insert(seen.end(), page.data.begin(), page.data.end());
    if (!page.next) break;
    after = *page.next;
  }
  std::set<std::string> wanted = all;
  wanted.erase("");  // no id is empty
  RC_ASSERT(seen == std::vector<std::string>(wanted.begin(), wanted.end()));
}

RC_GTEST_PROP(Paging, what_stays_is_seen_once_whatever_comes_and_goes, (const std::set<std::string>& stays)) {
  std::vector<std::string> seen;
  std::string after;
  while (true) {
    auto all = stays;
    for (const auto& extra : *rc::gen::arbitrary<std::vector<std::string>>()) all.insert(extra);
    const auto page = page_of(std::vector<std::string>(all.begin(), all.end()), after, 2, kSelf);
    for (const auto& one : page.data) {
      if (stays.contains(one)) seen.push_back(one);
    }
    if (!page.next) break;
    after = *page.next;
    RC_PRE(seen.size() <= stays.size());
  }
  std::set<std::string> wanted = stays;
  wanted.erase("");
  RC_ASSERT(seen == std::vector<std::string>(wanted.begin(), wanted.end()));
}

}  // namespace
}  // namespace millrace::api
