// Reads any bytes; what is accepted must survive writing and reading again.
#include <cstdlib>
#include <string_view>

#include "host/json.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace millrace::host;
  const auto value =
      parse_json({reinterpret_cast<const char*>(data), size}, {.max_depth = 32, .max_bytes = 1 << 16});
  if (!value) return 0;
  JsonWriter out;
  out.value(*value);
  const auto again = parse_json(out.text());
  if (!again || *again != *value) std::abort();
  return 0;
}
