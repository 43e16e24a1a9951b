#include "twin/formats/fuzz_check.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  millrace::twin::check_reader(data, size, "millrace");
  return 0;
}
