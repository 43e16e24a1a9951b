// Any bytes: reading them whole and byte by byte gives the same events.
#include <cstdlib>
#include <string>

#include "net/sse.h"

namespace {

struct Events final : millrace::net::SseHandler {
  bool on_event(const millrace::net::SseEvent& event) override {
    seen.append(event.event).append("\x01").append(event.data).append("\x02");
    return true;
  }
  std::string seen;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::size_t kLimit = 1U << 20;  // beyond any input, so that the cut cannot decide about the bound
  millrace::net::SseReader whole_reader(kLimit);
  Events whole;
  if (!whole_reader.feed(bytes, whole)) return 0;
  millrace::net::SseReader split_reader(kLimit);
  Events split;
  for (std::size_t i = 0; i < size; ++i) {
    if (!split_reader.feed(bytes.substr(i, 1), split)) std::abort();
  }
  if (whole.seen != split.seen) std::abort();
  return 0;
}
