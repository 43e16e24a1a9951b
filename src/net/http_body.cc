#include "net/http_body.h"

#include <algorithm>

#include "net/http_chars.h"

namespace millrace::net {

namespace {
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

ChunkedDecoder::State ChunkedDecoder::bad() {
  phase_ = Phase::kBad;
  return State::kBad;
}

/// chunk-size [chunk-ext]: digits, then CR, or blanks and a semicolon.
bool ChunkedDecoder::size_byte(char c) {
  const int digit = hex_value(c);
  if (digit >= 0) {
    if (blank_) return false;
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    any_digit_ = true;
    return left_ <= kMaxChunkBytes;
  }
  if (!any_digit_) return false;
  if (c == ';') {
    phase_ = Phase::kExtension;
    return true;
  }
  if (c == ' ' || c == '\t') {
    blank_ = true;
    return true;
  }
  phase_ = Phase::kSizeLf;
  return c == '\r' && !blank_;
}

bool ChunkedDecoder::extension_byte(char c) {
  switch (phase_) {
    case Phase::kQuoted:
      if (c == '"') phase_ = Phase::kExtension;
      if (c == '\\') phase_ = Phase::kQuotedPair;
      return is_field_char(c);
    case Phase::kQuotedPair:
      phase_ = Phase::kQuoted;
      return is_field_char(c);
    default:
      if (c == '\r') {
        phase_ = Phase::kSizeLf;
        return true;
      }
      if (c == '"') phase_ = Phase::kQuoted;
      return is_token_char(c) || c == ' ' || c == '\t' || c == '=' || c == ';' || c == '"';
  }
}

/// A trailer field is checked as a header is (name, colon, value), and dropped.
bool ChunkedDecoder::trailer_byte(char c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) return false;
  if (c == '\r') {
    phase_ = Phase::kTrailerLf;
    return line_bytes_ == 0 || trailer_colon_;
  }
  ++line_bytes_;
  if (trailer_colon_) return is_field_char(c);
  if (c == ':') {
    trailer_colon_ = true;
    return line_bytes_ > 1;
  }
  return is_token_char(c);
}

bool ChunkedDecoder::end_of_trailer_line() {
  phase_ = line_bytes_ == 0 ? Phase::kEnd : Phase::kTrailer;
  line_bytes_ = 0;
  trailer_colon_ = false;
  return phase_ == Phase::kEnd;
}

ChunkedDecoder::State ChunkedDecoder::next(std::string_view& bytes, std::string_view& piece) {
  if (phase_ == Phase::kEnd) return State::kDone;
  if (phase_ == Phase::kBad) return State::kBad;
  while (!bytes.empty()) {
    if (phase_ == Phase::kData) {
      piece = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
      bytes.remove_prefix(piece.size());
      left_ -= piece.size();
      if (left_ == 0) phase_ = Phase::kDataCr;
      return State::kData;
    }
    const char c = bytes.front();
    bytes.remove_prefix(1);
    switch (phase_) {
      case Phase::kSize:
        if (++line_bytes_ > kMaxLineBytes || !size_byte(c)) return bad();
        break;
      case Phase::kExtension:
      case Phase::kQuoted:
      case Phase::kQuotedPair:
        if (++line_bytes_ > kMaxLineBytes || !extension_byte(c)) return bad();
        break;
      case Phase::kSizeLf:
        if (c != '\n') return bad();
        line_bytes_ = 0;
        phase_ = left_ == 0 ? Phase::kTrailer : Phase::kData;
        break;
      case Phase::kDataCr:
        if (c != '\r') return bad();
        phase_ = Phase::kDataLf;
        break;
      case Phase::kDataLf:
        if (c != '\n') return bad();
        any_digit_ = blank_ = false;
        phase_ = Phase::kSize;
        break;
      case Phase::kTrailer:
        if (!trailer_byte(c)) return bad();
        break;
      case Phase::kTrailerLf:
        if (c != '\n') return bad();
        if (end_of_trailer_line()) return State::kDone;
        break;
      case Phase::kData:
      case Phase::kEnd:
      case Phase::kBad:
        return bad();
    }
  }
  return State::kNeedMore;
}

}  // namespace millrace::net
