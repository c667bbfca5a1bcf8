#include "http/response.hpp"

#include <algorithm>

#include "json/writer.hpp"

namespace pebbles::http {

std::string_view reason_of(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

bool add_header(Response& response, std::string_view name, std::string_view value) {
  const auto bad = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; };
  if (std::ranges::any_of(value, bad)) return false;
  response.headers.append(name).append(": ").append(value).append("\r\n");
  return true;
}

void append_problem(std::string& out, int status, std::string_view text, std::span<const ProblemFault> faults) {
  out += R"("title":)";
  json::append_string(out, reason_of(status));
  out += R"(,"status":)";
  json::append_integer(out, status);
  out += R"(,"detail":)";
  json::append_string(out, text);
  out += R"(,"error":)";
  json::append_string(out, text);
  if (!faults.empty()) {
    out += R"(,"errors":[)";
    for (const auto& fault : faults) {
      if (&fault != faults.data()) out += ',';
      out += R"({"detail":)";
      json::append_string(out, fault.detail);
      out += R"(,"pointer":)";
      json::append_string(out, fault.pointer);
      out += '}';
    }
    out += ']';
  }
}

Response problem(int status, std::string_view text, std::span<const ProblemFault> faults) {
  Response out{.status = status, .content_type = problem_type, .headers = {}, .body = "{"};
  append_problem(out.body, status, text, faults);
  out.body += '}';
  return out;
}

Response try_later(std::string_view text, int seconds) {
  auto out = problem(503, text);
  add_header(out, "Retry-After", std::to_string(seconds));
  return out;
}

void append_head(std::string& out, const Response& response, const HeadOptions& options) {
  if (response.status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
  } else {
    out += "HTTP/1.1 ";
    json::append_integer(out, response.status);
    out += ' ';
    out += reason_of(response.status);
    out += "\r\n";
  }
  out += "Server: pebbles\r\n";
  out += options.date_line;
  if (!response.content_type.empty()) {
    out += "Content-Type: ";
    out += response.content_type;
    out += "\r\n";
  }
  if (response.stream) {
    if (!options.http10) out += "Transfer-Encoding: chunked\r\n";  // else the connection's end is the body's
  } else if (response.status >= 200 && response.status != 204 && response.status != 304) {
    out += "Content-Length: ";
    json::append_integer(out, static_cast<std::int64_t>(response.body.size()));
    out += "\r\n";
  }
  out += response.headers;
  if (!options.keep_alive)
    out += "Connection: close\r\n";
  else if (options.http10)
    out += "Connection: keep-alive\r\n";
  out += "\r\n";
}

}  // namespace pebbles::http
