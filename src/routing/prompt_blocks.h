// PromptBlocks: a prompt's bytes as chained block hashes, where no token ids are at hand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/prefix_cache.h"

namespace millrace::routing {

/// Bytes that stand for one token in the size of a block: English text in the vocabularies in use has about four.
inline constexpr std::int64_t kBytesPerToken = 4;

/// Tokens in a block for a model with this context: kBlockTokens, but at least 64 blocks in a context, and at least 16
/// tokens in a block.
std::int64_t block_tokens_for(std::int64_t context_tokens);

/// Hashes of whole blocks; what is left over at the end belongs to none. The cut does not depend on how the bytes are
/// handed over. Not proof against somebody who makes collisions on purpose: a wrong guess costs time, never an answer.
class PromptBlocks {
 public:
  explicit PromptBlocks(std::int64_t block_bytes);
  void add(std::string_view bytes);
  const std::vector<BlockHash>& hashes() const { return hashes_; }

 private:
  void close(std::string_view block);

  const std::size_t block_bytes_;
  std::uint64_t chain_;
  std::string begun_;  // shorter than a block
  std::vector<BlockHash> hashes_;
};

}  // namespace millrace::routing
