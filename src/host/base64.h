// Base64 encoding (RFC 4648).
#pragma once

#include <string>
#include <string_view>

namespace millrace::host {

/// Standard alphabet, padded with '=' (section 4).
std::string base64(std::string_view bytes);

/// URL and file-name safe alphabet, without padding (section 5).
std::string base64_url(std::string_view bytes);

}  // namespace millrace::host
