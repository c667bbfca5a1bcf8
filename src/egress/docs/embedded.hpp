#pragma once
#include <string_view>

/// The files of this folder that the build puts into the binary, byte for byte (cmake/embed.cmake).
namespace pebbles::docs {

extern const std::string_view openapi_json;
extern const std::string_view page_html;
extern const std::string_view page_css;
extern const std::string_view page_js;

}  // namespace pebbles::docs
