// GGUF: reads the header of a model file (format: ggml's docs/gguf.md, versions 2 and 3) without trusting a byte of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::platform {

/// What is known of a model from its header. Empty or absent: the file does not say.
struct GgufInfo {
  std::uint32_t version = 0;
  std::string architecture;                 // never empty
  std::string name, licence, quantisation;  // quantisation e.g. "Q4_1"
  std::string chat_template;
  std::int64_t parameters = 0;  // elements of all tensors
  std::int64_t tensors = 0;
  std::optional<std::int64_t> context_length, embedding_length;
};

/// Bounds on what a header may ask for; a file beyond one is refused, never truncated.
struct GgufLimits {
  std::uint64_t max_header_bytes = 512ULL << 20;
  std::uint64_t max_keys = 65'536;
  std::uint64_t max_tensors = 65'536;
  std::uint64_t max_key_bytes = 1'024;
  std::uint64_t max_string_bytes = 4ULL << 20;
  std::uint64_t max_array_elements = 16ULL << 20;
  int max_array_depth = 4;
};

/// Bytes of a file at random places. `read` fills all of `out` or fails; callers stay below `size`.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  virtual Result<void> read(std::uint64_t offset, std::span<char> out) = 0;
};

/// Checks the header whole: magic, version, counts, lengths, types, duplicate names, alignment, and that each
/// tensor's extent lies inside the file and overlaps no other. Memory stays within a few MiB more than the names in
/// the header. kCorrupt with a message of the form "GGUF byte 24, key 'general.name': string of 9000000 bytes is
/// longer than ...": where, what was found, what was expected.
Result<GgufInfo> read_gguf(ByteSource& source, const GgufLimits& limits = {});
Result<GgufInfo> read_gguf_bytes(std::string_view bytes, const GgufLimits& limits = {});
/// As above; and the error of opening or reading the file.
Result<GgufInfo> read_gguf_file(const std::string& path, const GgufLimits& limits = {});

}  // namespace millrace::platform
