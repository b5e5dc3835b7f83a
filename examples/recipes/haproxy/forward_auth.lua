-- Asks a gate about each request: `http-request lua.bearward http://127.0.0.1:9001`.
-- It needs HAProxy 2.5 or later, built with Lua.

local identity = { "x-auth-subject", "x-auth-issuer", "x-auth-client", "x-auth-scopes" }
local hop = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
              ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["expect"] = true, ["proxy-connection"] = true,
              ["host"] = true, ["x-forwarded-method"] = true, ["x-forwarded-proto"] = true,
              ["x-forwarded-host"] = true, ["x-forwarded-uri"] = true }

-- list returns the values of a table that counts from 0, as HAProxy's do.
local function list(values)
  local all = {}
  local i = 0
  while values[i] do
    all[#all + 1] = values[i]
    i = i + 1
  end
  return all
end

-- The status of gRPC for the status of a refusal: INTERNAL when it is none of these.
local grpc = { [400] = "3", [401] = "16", [403] = "7", [431] = "8", [502] = "14", [503] = "14", [504] = "14" }

local function refuse(txn, status, headers, body)
  local reply = txn:reply()
  -- A client of gRPC is answered by a header and nothing else.
  local is_grpc = string.find(string.lower(txn.sf:req_fhdr("content-type") or ""), "application/grpc", 1, true) == 1
  for name, values in pairs(headers or {}) do
    if name == "www-authenticate" or name == "retry-after" or name == "dpop-nonce" or name == "content-type" and not is_grpc then
      for _, value in ipairs(list(values)) do reply:add_header(name, value) end
    end
  end
  reply:add_header("cache-control", "no-store")
  if is_grpc then
    reply:set_status(200)
    reply:add_header("content-type", "application/grpc")
    reply:add_header("grpc-status", grpc[status] or "13")
    reply:add_header("grpc-message", "refused before the call")
  else
    reply:set_status(status)
    reply:set_body(body or "")
  end
  txn:done(reply)
end

core.register_action("bearward", { "http-req" }, function(txn, gate)
  local headers, upgrade = {}, {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not hop[name] then headers[name] = list(values) end
    if name == "upgrade" then upgrade = list(values) end
    -- A field that Connection names may be taken away on the way.
    for _, value in ipairs(name == "connection" and list(values) or {}) do
      local names = string.lower(value)
      if string.find(names, "auth", 1, true) or string.find(names, "forwarded", 1, true) then return refuse(txn, 400) end
    end
  end
  -- Behind an upgrade to HTTP/2 a client would talk to the API itself.
  for _, value in ipairs(upgrade) do
    if string.lower(value) ~= "websocket" then
      txn.http:req_del_header("upgrade")
      txn.http:req_del_header("http2-settings")
    end
  end
  headers["x-forwarded-method"] = { txn.sf:method() }
  headers["x-forwarded-proto"] = { txn.sf:ssl_fc() == 1 and "https" or "http" }
  headers["x-forwarded-host"] = { txn.sf:req_fhdr("host") or "" }
  headers["x-forwarded-uri"] = { txn.sf:pathq() }

  local answer = core.httpclient():get({ url = gate .. "/", headers = headers, timeout = 5000 })
  if not answer or answer.status == 0 then return refuse(txn, 503) end
  if answer.status ~= 200 then return refuse(txn, answer.status, answer.headers, answer.body) end
  for _, name in ipairs(identity) do
    local values = list(answer.headers[name] or {})
    if #values ~= 1 then return refuse(txn, 500) end
    txn.http:req_set_header(name, values[1])
    -- There may be no room for it beside what the client has sent.
    if (txn.sf:req_fhdr(name) or "") ~= values[1] or txn.sf:req_fhdr_cnt(name) ~= "1" then return refuse(txn, 431) end
  end
  txn:set_var("txn.bearward", true)
end, 1)
