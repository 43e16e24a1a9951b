// Any file may be offered as a model: it is refused with a reason, or its figures lie within the file's bounds.
#include <cstdint>
#include <cstdlib>

#include "platform/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto info = millrace::platform::read_gguf_bytes({reinterpret_cast<const char*>(data), size});
  if (!info) {
    if (!info.error().message.starts_with("GGUF byte ")) std::abort();
    return 0;
  }
  if (info->architecture.empty() || info->tensors < 1 || info->parameters < 1) std::abort();
  return 0;
}
