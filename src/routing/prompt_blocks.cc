#include "routing/prompt_blocks.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace millrace::routing {
namespace {

constexpr std::uint64_t kStart =
    0x9E3779B97F4A7C15;  // odd constants with bits well spread; any such would do
constexpr std::uint64_t kOne = 0xBF58476D1CE4E5B9;
constexpr std::uint64_t kTwo = 0x94D049BB133111EB;

std::uint64_t stir(std::uint64_t chain, std::uint64_t word) {
  return std::rotl(chain ^ (word * kOne), 29) * kTwo + kStart;
}

/// The last step of splitmix64: every bit of the input moves every bit of the output.
std::uint64_t finish(std::uint64_t chain) {
  chain = (chain ^ (chain >> 30)) * kOne;
  chain = (chain ^ (chain >> 27)) * kTwo;
  return chain ^ (chain >> 31);
}

}  // namespace

std::int64_t block_tokens_for(std::int64_t context_tokens) {
  if (context_tokens <= 0) return kBlockTokens;
  return std::clamp<std::int64_t>(context_tokens / 64, 16, kBlockTokens);
}

PromptBlocks::PromptBlocks(std::int64_t block_bytes)
    : block_bytes_(static_cast<std::size_t>(std::max<std::int64_t>(block_bytes, 1))), chain_(kStart) {}

void PromptBlocks::add(std::string_view bytes) {
  if (!begun_.empty()) {
    const std::size_t more = std::min(block_bytes_ - begun_.size(), bytes.size());
    begun_ += bytes.substr(0, more);
    bytes.remove_prefix(more);
    if (begun_.size() < block_bytes_) return;
    close(begun_);
    begun_.clear();
  }
  for (; bytes.size() >= block_bytes_; bytes.remove_prefix(block_bytes_))
    close(bytes.substr(0, block_bytes_));
  begun_ = bytes;
}

void PromptBlocks::close(std::string_view block) {
  std::uint64_t word = 0;
  for (; block.size() >= sizeof word; block.remove_prefix(sizeof word)) {
    std::memcpy(&word, block.data(), sizeof word);
    chain_ = stir(chain_, word);
  }
  if (!block.empty()) {
    word = 0;
    std::memcpy(&word, block.data(), block.size());
    chain_ = stir(chain_, word);
  }
  chain_ = finish(chain_);
  hashes_.push_back(chain_);
}

}  // namespace millrace::routing
