// PrefixCache: which blocks of prompts a replica holds, as its engine would: least recently used goes first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace millrace::routing {

/// Names a block of tokens together with everything before it, so that equal hashes mean equal prefixes.
using BlockHash = std::uint64_t;

/// Tokens in a block where nothing else is said (the traces of Mooncake, FAST'25).
inline constexpr std::int64_t kBlockTokens = 512;

/// A model, not a store: it holds no tokens. Memory is bounded by its capacity. One thread.
class PrefixCache {
 public:
  /// Holds floor(capacity_tokens / block_tokens) blocks; none if either is below 1.
  explicit PrefixCache(std::int64_t capacity_tokens, std::int64_t block_tokens = kBlockTokens);

  /// How many leading blocks of the prompt are held: those need no computing. Changes nothing. O(1) for each counted.
  std::size_t longest_prefix(std::span<const BlockHash> prompt) const;

  /// The prompt was computed here. Its blocks become the most recently used, the first block last of all, because a block
  /// is of no use without those before it. The least recently used make room. Of a prompt larger than the cache the
  /// leading blocks stay. O(1) for each block.
  void insert(std::span<const BlockHash> prompt);

  std::size_t size() const { return index_.size(); }
  std::size_t capacity() const { return capacity_; }

 private:
  using Link = std::uint32_t;
  struct Entry {
    BlockHash hash = 0;
    Link older = 0, newer = 0;
  };

  void unlink(Link at);
  void link_newest(Link at);
  Link room_for_one();

  std::size_t capacity_;
  std::unordered_map<BlockHash, Link> index_;  // only looked up, never walked
  std::vector<Entry> entries_{Entry{}};  // [0] closes the ring: newer is the oldest entry, older the newest
};

}  // namespace millrace::routing
