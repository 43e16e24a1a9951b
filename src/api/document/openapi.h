// OpenApi: the document that describes the control API, made from the table of routes and the schemas.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "api/document/schema.h"
#include "api/route.h"
#include "core/result.h"

namespace millrace::api {

/// An OpenAPI 3.1 document as JSON text. `inference` is a JSON object with the "paths" of the inference dialects and
/// optionally "components", both in OpenAPI form, or empty. kInvalidArgument if it is not, or if it defines a path or
/// component that is defined here.
Result<std::string> openapi_document(std::span<const Route> routes, const Schemas& schemas,
                                     std::string_view version, std::string_view inference);

}  // namespace millrace::api
