#include "routing/prefix_cache.h"

#include <algorithm>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "core/rng.h"

namespace millrace::routing {
namespace {

using Prompt = std::vector<BlockHash>;

TEST(PrefixCache, CountsLeadingBlocksOnlyUpToTheFirstThatIsMissing) {
  PrefixCache cache(100, 1);
  EXPECT_EQ(cache.longest_prefix(Prompt{1, 2, 3}), 0U);
  cache.insert(Prompt{1, 2, 3});
  EXPECT_EQ(cache.longest_prefix(Prompt{1, 2, 3, 4}), 3U);
  EXPECT_EQ(cache.longest_prefix(Prompt{1, 9, 3}), 1U);
  EXPECT_EQ(cache.longest_prefix(Prompt{9, 1, 2}), 0U);
  EXPECT_EQ(cache.longest_prefix({}), 0U);
}

TEST(PrefixCache, CapacityIsInTokensAndRoundsDownToBlocks) {
  EXPECT_EQ(PrefixCache(3'000'000).capacity(), 5859U);
  EXPECT_EQ(PrefixCache(511).capacity(), 0U);
  EXPECT_EQ(PrefixCache(-1).capacity(), 0U);
  PrefixCache none(511);
  none.insert(Prompt{1, 2});
  EXPECT_EQ(none.longest_prefix(Prompt{1}), 0U);
}

TEST(PrefixCache, TheLeastRecentlyUsedPromptLosesItsLastBlocksFirst) {
  PrefixCache cache(4, 1);
  cache.insert(Prompt{1, 2, 3});
  cache.insert(Prompt{1, 7});
  EXPECT_EQ(cache.longest_prefix(Prompt{1, 2, 3}), 3U);
  cache.insert(Prompt{8});
  EXPECT_EQ(cache.longest_prefix(Prompt{1, 2, 3}), 2U);
  EXPECT_EQ(cache.longest_prefix(Prompt{1, 7}), 2U);
}

TEST(PrefixCache, LookingDoesNotMakeABlockRecent) {
  PrefixCache cache(2, 1);
  cache.insert(Prompt{1});
  cache.insert(Prompt{2});
  EXPECT_EQ(cache.longest_prefix(Prompt{1}), 1U);
  cache.insert(Prompt{3});
  EXPECT_EQ(cache.longest_prefix(Prompt{1}), 0U);
}

TEST(PrefixCache, APromptLargerThanTheCacheKeepsItsLeadingBlocks) {
  PrefixCache cache(3, 1);
  cache.insert(Prompt{9});
  cache.insert(Prompt{1, 2, 3, 4, 5});
  EXPECT_EQ(cache.longest_prefix(Prompt{1, 2, 3, 4, 5}), 3U);
  EXPECT_EQ(cache.size(), 3U);
}

// The rule said plainly: a list, newest at the back, searched from end to end.
class NaiveCache {
 public:
  explicit NaiveCache(std::size_t capacity) : capacity_(capacity) {}
  std::size_t longest_prefix(const Prompt& prompt) const {
    std::size_t count = 0;
    while (count < prompt.size() && std::ranges::count(held_, prompt[count]) > 0) ++count;
    return count;
  }
  void insert(const Prompt& prompt) {
    for (auto hash = prompt.rbegin(); hash != prompt.rend(); ++hash) {
      std::erase(held_, *hash);
      held_.push_back(*hash);
    }
    while (held_.size() > capacity_) held_.pop_front();
  }
  std::size_t size() const { return held_.size(); }

 private:
  std::size_t capacity_;
  std::deque<BlockHash> held_;
};

TEST(PrefixCache, AgreesWithAPlainListOnRandomPrompts) {
  SeededRng rng(20261201);
  std::size_t hits = 0;
  for (int round = 0; round < 200; ++round) {
    const auto capacity = static_cast<std::int64_t>(rng.next() % 24);
    PrefixCache cache(capacity, 1);
    NaiveCache naive(static_cast<std::size_t>(capacity));
    for (int step = 0; step < 200; ++step) {
      Prompt prompt;
      // Block b at depth d is d x 4 + b, so that prompts share prefixes and never hold a block twice.
      for (std::uint64_t depth = 0, length = rng.next() % 8; depth < length; ++depth) {
        prompt.push_back(depth * 4 + rng.next() % 3);
      }
      ASSERT_EQ(cache.longest_prefix(prompt), naive.longest_prefix(prompt))
          << "round " << round << " step " << step;
      hits += cache.longest_prefix(prompt);
      cache.insert(prompt);
      naive.insert(prompt);
      ASSERT_EQ(cache.size(), naive.size());
    }
  }
  EXPECT_GT(hits, 10'000U);
}

}  // namespace
}  // namespace millrace::routing
