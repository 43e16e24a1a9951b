// GgufCursor: reads a GGUF header forwards in bounded pieces; every failure says at which byte and of what.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "platform/gguf.h"

namespace millrace::platform {

/// One thread at a time. All numbers are little-endian, as in every GGUF file that engines here read.
class GgufCursor {
 public:
  GgufCursor(ByteSource& source, const GgufLimits& limits) : source_(source), limits_(limits) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t file_bytes() const { return source_.size(); }
  const GgufLimits& limits() const { return limits_; }

  /// What is being read now, for messages: "key 'general.name'", "tensor 3", ...
  void describe(std::string what) { what_ = std::move(what); }

  /// kCorrupt: "GGUF byte <offset of the last thing begun>, <what>: <message>".
  std::unexpected<Error> corrupt(std::string_view message) const;

  Result<std::uint32_t> u32();
  Result<std::uint64_t> u64();
  Result<std::uint8_t> u8();
  Result<std::uint64_t> unsigned_of(std::uint64_t bytes);  // 1, 2, 4 or 8
  /// A length and that many bytes. kCorrupt if longer than `max_bytes` or than the rest of the file.
  Result<std::string> string(std::uint64_t max_bytes);
  Result<void> skip_string(std::uint64_t max_bytes);
  /// `count` values of `bytes` each, unread.
  Result<void> skip(std::uint64_t count, std::uint64_t bytes);

 private:
  Result<void> need(std::uint64_t bytes);
  Result<void> take(char* out, std::uint64_t bytes);
  Result<std::uint64_t> string_length(std::uint64_t max_bytes);

  ByteSource& source_;
  GgufLimits limits_;
  std::uint64_t offset_ = 0, begun_ = 0;
  std::string what_ = "header";
  std::vector<char> buffer_;
  std::uint64_t buffer_start_ = 0;
};

}  // namespace millrace::platform
