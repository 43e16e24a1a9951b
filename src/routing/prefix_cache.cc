#include "routing/prefix_cache.h"

#include <algorithm>
#include <limits>

namespace millrace::routing {
namespace {

std::size_t blocks_of(std::int64_t capacity_tokens, std::int64_t block_tokens) {
  if (capacity_tokens < 1 || block_tokens < 1) return 0;
  const auto blocks = static_cast<std::uint64_t>(capacity_tokens / block_tokens);
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(blocks, std::numeric_limits<std::uint32_t>::max() - 1));
}

}  // namespace

PrefixCache::PrefixCache(std::int64_t capacity_tokens, std::int64_t block_tokens)
    : capacity_(blocks_of(capacity_tokens, block_tokens)) {}

std::size_t PrefixCache::longest_prefix(std::span<const BlockHash> prompt) const {
  const auto missing =
      std::ranges::find_if(prompt, [this](BlockHash hash) { return !index_.contains(hash); });
  return static_cast<std::size_t>(missing - prompt.begin());
}

void PrefixCache::insert(std::span<const BlockHash> prompt) {
  const auto kept = prompt.first(std::min(prompt.size(), capacity_));
  for (auto hash = kept.rbegin(); hash != kept.rend(); ++hash) {
    if (const auto found = index_.find(*hash); found != index_.end()) {
      unlink(found->second);
      link_newest(found->second);
      continue;
    }
    const Link at = room_for_one();
    entries_[at].hash = *hash;
    index_.emplace(*hash, at);
    link_newest(at);
  }
}

void PrefixCache::unlink(Link at) {
  const Entry& entry = entries_[at];
  entries_[entry.older].newer = entry.newer;
  entries_[entry.newer].older = entry.older;
}

void PrefixCache::link_newest(Link at) {
  const Link newest = entries_[0].older;
  entries_[at].older = newest;
  entries_[at].newer = 0;
  entries_[newest].newer = at;
  entries_[0].older = at;
}

/// An entry in no list and no index: a new one, or the oldest one's.
PrefixCache::Link PrefixCache::room_for_one() {
  if (index_.size() < capacity_) {
    entries_.emplace_back();
    return static_cast<Link>(entries_.size() - 1);
  }
  const Link oldest = entries_[0].newer;
  index_.erase(entries_[oldest].hash);
  unlink(oldest);
  return oldest;
}

}  // namespace millrace::routing
