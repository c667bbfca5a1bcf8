#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace pebbles::http {

inline constexpr std::string_view json_type = "application/json";
inline constexpr std::string_view ndjson_type = "application/x-ndjson";
inline constexpr std::string_view problem_type = "application/problem+json";
inline constexpr std::string_view text_type = "text/plain; charset=utf-8";

/// What a handler answers. Framing headers (Content-Length, Connection, Date, Server) are added on the way out.
struct Response {
  int status = 200;
  std::string_view content_type;  ///< of static storage
  std::string headers;            ///< further lines, each "Name: value\r\n"; write them with `add_header`
  std::string body;
  bool close = false;                      ///< end the connection after this answer
  std::shared_ptr<const void> share = {};  ///< of an `ByteBudget`, kept until the answer is sent
};

/// Adds a header line. False, and nothing is added, when the value holds what a header must not (RFC 9110, section
/// 5.5: control characters), so that no text from outside can add a line of its own.
bool add_header(Response& response, std::string_view name, std::string_view value);

/// One thing that is wrong with a request; `pointer` is a JSON pointer (RFC 6901) into the body.
struct ProblemFault {
  std::string_view detail;
  std::string_view pointer;
};

/// An error answer (RFC 9457, type about:blank) with `title`, `status`, `detail`, and `error` with the text, which
/// clients of earlier versions read; `errors` lists the faults when there are any. Precondition: valid UTF-8.
[[nodiscard]] Response problem(int status, std::string_view text, std::span<const ProblemFault> faults = {});

/// The members of such an answer's object, for one that stands in an answer about many things.
void append_problem(std::string& out, int status, std::string_view text, std::span<const ProblemFault> faults = {});

/// A 503 that says when to come back.
[[nodiscard]] Response try_later(std::string_view text, int seconds = 1);

/// RFC 9110, section 15; "Unknown" for a status that Pebbles doesn't use.
[[nodiscard]] std::string_view reason_of(int status);

/// The parts of an answer's head that depend on the connection and not on the handler.
struct HeadOptions {
  std::string_view date_line;  ///< "Date: ...\r\n"
  bool http10 = false;
  bool keep_alive = true;
};

/// Appends status line and headers, down to the empty line.
void append_head(std::string& out, const Response& response, const HeadOptions& options);

}  // namespace pebbles::http
