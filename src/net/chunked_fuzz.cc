// Any bytes: decoding them whole and byte by byte gives the same body and the same verdict.
#include <cstdlib>
#include <string>

#include "net/http_body.h"

namespace {

std::string decode(std::string_view bytes, std::size_t cut, millrace::net::ChunkedDecoder::State& state) {
  using State = millrace::net::ChunkedDecoder::State;
  millrace::net::ChunkedDecoder decoder;
  std::string body;
  state = State::kNeedMore;
  while (!bytes.empty() && state == State::kNeedMore) {
    std::string_view part = bytes.substr(0, cut);
    bytes.remove_prefix(part.size());
    std::string_view piece;
    while ((state = decoder.next(part, piece)) == State::kData) body += piece;
  }
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  millrace::net::ChunkedDecoder::State whole;
  millrace::net::ChunkedDecoder::State split;
  if (decode(bytes, size + 1, whole) != decode(bytes, 1, split) || whole != split) std::abort();
  return 0;
}
