#include "egress/query/long_answers.hpp"

namespace pebbles::query {

http::Response LongAnswers::stream(http::Asker asker, std::string_view content_type,
                                   std::unique_ptr<http::BodySource> source) const {
  http::Response out{.status = 200, .content_type = content_type, .headers = {}, .body = {}};
  http::add_header(out, "Vary", "Accept");
  http::add_header(out, "Cache-Control", "no-cache");
  out.stream = std::make_shared<http::StreamedBody>(
      http::StreamedBody{.source = std::move(source), .pool = pool_, .asker = std::move(asker)});
  return out;
}

}  // namespace pebbles::query
