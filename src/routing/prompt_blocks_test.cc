#include "routing/prompt_blocks.h"

#include <gtest/gtest.h>

#include <set>

#include "core/rng.h"

namespace millrace::routing {
namespace {

std::vector<BlockHash> hashes(std::string_view text, std::int64_t bytes = 16) {
  PromptBlocks blocks(bytes);
  blocks.add(text);
  return blocks.hashes();
}

std::string text_of(SeededRng& rng, std::size_t length) {
  std::string text(length, ' ');
  for (char& c : text) c = static_cast<char>('a' + rng.next() % 3);
  return text;
}

TEST(PromptBlocks, EqualPrefixesHaveEqualHashesAndADifferenceChangesAllThatFollow) {
  const std::string text(64, 'x');
  std::string other = text;
  other[20] = 'y';
  const auto a = hashes(text), b = hashes(other);
  ASSERT_EQ(a.size(), 4u);
  EXPECT_EQ(a[0], b[0]);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_NE(a[i], b[i]);
  EXPECT_EQ(std::set<BlockHash>(a.begin(), a.end()).size(), 4u) << "equal blocks at other places are others";
}

TEST(PromptBlocks, OnlyWholeBlocksCount) {
  EXPECT_TRUE(hashes(std::string(15, 'x')).empty());
  EXPECT_EQ(hashes(std::string(31, 'x')), hashes(std::string(16, 'x')));
}

TEST(PromptBlocks, TheCutDoesNotDependOnThePieces) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SeededRng rng(seed);
    const auto bytes = static_cast<std::int64_t>(1 + rng.next() % 40);
    const std::string text = text_of(rng, rng.next() % 500);
    PromptBlocks blocks(bytes);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t piece = 1 + rng.next() % 60;
      blocks.add(std::string_view(text).substr(at, piece));
      at += piece;
    }
    ASSERT_EQ(blocks.hashes(), hashes(text, bytes)) << "seed " << seed;
  }
}

TEST(PromptBlocks, ManyShortBlocksOfFewLettersDoNotCollide) {
  SeededRng rng(1);
  std::set<std::string> texts;
  std::set<BlockHash> seen;
  while (texts.size() < 20'000) texts.insert(text_of(rng, 24));
  for (const auto& text : texts) seen.insert(hashes(text, 24).front());
  EXPECT_EQ(seen.size(), texts.size());
}

TEST(PromptBlocks, ABlockIsASmallPartOfAContextWithinBounds) {
  EXPECT_EQ(block_tokens_for(0), 512);
  EXPECT_EQ(block_tokens_for(131'072), 512);
  EXPECT_EQ(block_tokens_for(2048), 32);
  EXPECT_EQ(block_tokens_for(256), 16);
}

}  // namespace
}  // namespace millrace::routing
