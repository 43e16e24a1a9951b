// What a stranger can put into an address: path, query, and the values they are checked as.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/document/schema.h"
#include "api/uri.h"
#include "host/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static const auto kSchemas = millrace::api::Schemas::create(millrace::api::api_schemas()).value();
  if (const auto segments = millrace::api::path_segments(bytes)) {
    for (const std::string& segment : *segments) {
      if (!millrace::host::is_utf8(segment)) std::abort();
      boost::json::value value(segment);
      (void)kSchemas.check(*kSchemas.find("Name"), value);
    }
  }
  if (const auto query = millrace::api::query_parameters(bytes)) {
    for (const auto& [name, text] : *query) {
      if (!millrace::host::is_utf8(name) || !millrace::host::is_utf8(text)) std::abort();
    }
  }
  return 0;
}
