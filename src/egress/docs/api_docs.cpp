#include "egress/docs/api_docs.hpp"

#include <algorithm>
#include <memory>

#include "base/assert.hpp"
#include "base/hex.hpp"
#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"
#include "egress/docs/embedded.hpp"
#include "egress/query/etag.hpp"
#include "http/exchange.hpp"

namespace pebbles::docs {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

constexpr std::string_view html_type = "text/html; charset=utf-8";

/// An answer that never changes while the server runs.
struct Document {
  Response whole;
  std::string tag;
};

/// Puts `value` wherever `mark` stands. Marks are ours, so one that is missing is a bug.
std::string filled(std::string text, std::string_view mark, std::string_view value) {
  auto place = text.find(mark);
  PEBBLES_ASSERT(place != std::string::npos, "an embedded file has its marks");
  for (; place != std::string::npos; place = text.find(mark, place + value.size()))
    text.replace(place, mark.size(), value);
  return text;
}

/// How a policy names an inline script or style: by its hash (CSP level 3, section 2.3.1).
std::string hash_source(std::string_view text) {
  const auto digest = crypto::sha256(text);
  auto base64 = crypto::to_base64url({reinterpret_cast<const char*>(digest.data()), digest.size()});
  std::ranges::replace(base64, '-', '+');
  std::ranges::replace(base64, '_', '/');
  return "'sha256-" + base64 + "='";  // 32 bytes always need one character of padding
}

/// What is seen through `If-None-Match` is the body, so its hash is the tag.
std::shared_ptr<const Document> make_document(Response whole) {
  auto out = std::make_shared<Document>();
  out->tag += '"';
  append_hex(out->tag, crypto::short_sha256({whole.body}));
  out->tag += '"';
  http::add_header(whole, "X-Content-Type-Options", "nosniff");
  out->whole = std::move(whole);
  return out;
}

std::shared_ptr<const Document> make_openapi(std::string_view version) {
  Response out{.status = 200, .content_type = http::json_type, .headers = {}, .body = {}};
  out.body = filled(std::string{openapi_json}, "@VERSION@", version);
  return make_document(std::move(out));
}

/// Style and script stand in the page and are permitted by their hashes, so nothing else runs, wherever it comes from.
std::shared_ptr<const Document> make_page() {
  Response out{.status = 200, .content_type = html_type, .headers = {}, .body = {}};
  out.body = filled(filled(std::string{page_html}, "/*STYLE*/", page_css), "/*SCRIPT*/", page_js);
  http::add_header(out, "Content-Security-Policy",
                   "default-src 'none'; connect-src 'self'; style-src " + hash_source(page_css) + "; script-src " +
                       hash_source(page_js) +
                       "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                       "require-trusted-types-for 'script'; trusted-types 'none'");
  http::add_header(out, "Referrer-Policy", "no-referrer");
  return make_document(std::move(out));
}

Task<Response> show(std::shared_ptr<const Document> document, Exchange& exchange) {
  auto out = query::tagged(exchange.combined_header("If-None-Match"), document->tag);
  if (out.status == 304) co_return out;
  out.content_type = document->whole.content_type;
  out.headers += document->whole.headers;
  out.body = document->whole.body;
  co_return out;
}

}  // namespace

void add_routes(http::Loop& loop, std::string_view version) {
  auto& router = loop.router();
  const auto openapi = make_openapi(version);
  const auto page = make_page();
  router.add("GET", "/openapi.json", [openapi](Exchange& exchange) { return show(openapi, exchange); });
  router.add("GET", "/api-docs", [page](Exchange& exchange) { return show(page, exchange); });
}

}  // namespace pebbles::docs
