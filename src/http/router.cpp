#include "http/router.hpp"

#include <algorithm>

#include "base/header_text.hpp"

namespace pebbles::http {
namespace {

void append_method(std::string& out, std::string_view method) {
  if (!out.empty()) out += ", ";
  out += method;
  if (method == "GET") out += ", HEAD";
}

}  // namespace

bool Router::fits(const std::vector<Segment>& pattern, const std::vector<std::string>& path) {
  const auto same = [](const Segment& a, const std::string& b) { return !a || *a == b; };
  return std::ranges::equal(pattern, path, same);
}

void Router::add(std::string method, std::string_view pattern, Handler handler) {
  auto seen = std::make_unique<telemetry::HttpRoute>(method, pattern);
  Route route{.method = std::move(method), .pattern = {}, .handler = std::move(handler), .seen = std::move(seen)};
  pattern.remove_prefix(1);
  for (;;) {
    const auto end = std::min(pattern.find('/'), pattern.size());
    const auto segment = pattern.substr(0, end);
    route.pattern.push_back(segment.starts_with('{') ? Segment{} : Segment{segment});
    if (end == pattern.size()) break;
    pattern.remove_prefix(end + 1);
  }
  routes_.push_back(std::move(route));
}

std::string Router::methods() const {
  std::vector<std::string> known;
  for (const auto& route : routes_)
    if (std::ranges::find(known, route.method) == known.end()) known.push_back(route.method);
  std::string out;
  for (const auto& method : known) append_method(out, method);
  return out + ", OPTIONS";
}

Router::Match Router::find(std::string_view method, const std::vector<std::string>& path) const {
  Match out;
  for (const auto& route : routes_) {
    if (!fits(route.pattern, path)) continue;
    if (route.method == method || (method == "HEAD" && route.method == "GET")) {
      out.handler = &route.handler;
      out.route = route.seen.get();
      for (std::size_t i = 0; i < path.size(); ++i)
        if (!route.pattern[i]) out.captures.emplace_back(path[i]);
      return out;
    }
    append_method(out.allow, route.method);
  }
  if (!out.allow.empty()) out.allow += ", OPTIONS";
  return out;
}

}  // namespace pebbles::http
