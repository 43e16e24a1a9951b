// Decoder of the chunked transfer coding (RFC 9112, 7.1): strict, bounded, without copies.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::net {

/// Feed it the bytes after the head; take the pieces out one by one. Not thread-safe.
class ChunkedDecoder {
 public:
  static constexpr std::size_t kMaxLineBytes = 1024;  // chunk-size line with extensions
  static constexpr std::size_t kMaxTrailerBytes = 8 * 1024;
  static constexpr std::uint64_t kMaxChunkBytes = 1ULL << 40;

  enum class State : std::uint8_t {
    kNeedMore,  // all of `bytes` is used up
    kData,      // `piece` is set, call again
    kDone,      // the last chunk and the trailer were read; the rest of `bytes` is not the body's
    kBad,       // the coding is broken (or beyond the bounds); nothing after it can be trusted
  };

  /// Takes bytes off the front of `bytes`. With kData `piece` is a part of the body, a view into them.
  /// Chunk extensions and trailers are checked, bounded and dropped.
  State next(std::string_view& bytes, std::string_view& piece);

  bool done() const { return phase_ == Phase::kEnd; }
  void reset() { *this = ChunkedDecoder{}; }

 private:
  enum class Phase : std::uint8_t {
    kSize,
    kExtension,
    kQuoted,
    kQuotedPair,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kTrailerLf,
    kEnd,
    kBad
  };
  State bad();
  bool size_byte(char c);
  bool extension_byte(char c);
  bool trailer_byte(char c);
  bool end_of_trailer_line();

  Phase phase_ = Phase::kSize;
  bool any_digit_ = false;
  bool blank_ = false;  // a blank was seen after the digits: only an extension may follow
  bool trailer_colon_ = false;
  std::uint64_t left_ = 0;        // of the chunk in hand
  std::uint32_t line_bytes_ = 0;  // of the size line, or of the trailer line
  std::uint32_t trailer_bytes_ = 0;
};

}  // namespace millrace::net
