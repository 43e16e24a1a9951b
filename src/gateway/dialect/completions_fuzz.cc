#include "gateway/dialect/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto dialect = millrace::gateway::dialect::make_completions();
  return millrace::gateway::dialect::fuzz_dialect(*dialect, {reinterpret_cast<const char*>(data), size});
}
