package qoreid

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"inbox/inbox/rawjson"
)

// mistake is a way in which a secret or a body may differ from the signer's. read undoes it; it returns nil when the mistake
// is impossible.
type mistake struct {
	says string
	most int // the size of the largest body for which it is tried
	read func(b []byte) []byte
}

// misreadSecrets are the mistakes with secrets.
func misreadSecrets() []mistake {
	line := func(b []byte) []byte { return append(b[:len(b):len(b)], '\n') }
	const space = "has a space or a newline too many or too few at its end"
	return []mistake{
		{says: space, read: bytes.TrimSpace},
		{says: space, read: line},
		{says: "has quotation marks around it that do not belong to it", read: func(b []byte) []byte { return bytes.Trim(bytes.TrimSpace(b), "\"'`“”‘’«»") }},
		{says: "has invisible characters in it that do not belong to it", read: visible},
		{says: "has a name and = before it that do not belong to it", read: func(b []byte) []byte {
			_, after, _ := bytes.Cut(b, []byte("="))
			return bytes.Trim(bytes.TrimSpace(after), `"'`)
		}},
		{says: "is hexadecimal, and the sender signs with the bytes that it stands for", read: func(b []byte) []byte {
			raw, err := hex.DecodeString(string(b))
			return orNil(raw, err)
		}},
		{says: "is base64, and the sender signs with the bytes that it stands for", read: func(b []byte) []byte {
			raw, err := base64.StdEncoding.DecodeString(string(b))
			return orNil(raw, err)
		}},
		{says: "has a prefix, and the sender signs with what base64 after it stands for", read: func(b []byte) []byte {
			_, after, _ := bytes.Cut(b, []byte("_"))
			raw, err := base64.StdEncoding.DecodeString(string(after))
			return orNil(raw, err)
		}},
		{says: "is set in one letter case, and the sender has it in the other", read: func(b []byte) []byte {
			if lower := bytes.ToLower(b); !bytes.Equal(lower, b) {
				return lower
			}
			return bytes.ToUpper(b)
		}},
	}
}

// visible returns a text without invisible characters.
func visible(b []byte) []byte {
	var out []byte
	for _, r := range string(b) {
		if r > ' ' && r < 0x7f {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

func orNil(b []byte, err error) []byte {
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// Sizes of bodies up to which mistakes are tried.
const (
	anySize   = math.MaxInt
	smallSize = 256 << 10 // for those that encode a body again
	unzipped  = 16 << 20
)

// misreadBodies are the mistakes with bodies.
func misreadBodies() []mistake {
	const line = "the body gained or lost a newline at its end: a proxy or a copy changed it"
	const ends = "the ends of the body's lines were changed: a proxy or a copy did it"
	const anew = "the body was signed as %s writes it, and reformatted on the way: the signature is over other bytes"
	replace := func(old, with string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(with)) }
	}
	return []mistake{
		{"the body was compressed after it was signed: have the proxy send it uncompressed", anySize, unzip},
		{line, anySize, bytes.TrimSpace},
		{line, anySize, func(b []byte) []byte { return append(b[:len(b):len(b)], '\n') }},
		{ends, smallSize, replace("\r\n", "\n")},
		{ends, smallSize, func(b []byte) []byte { return replace("\n", "\r\n")(replace("\r\n", "\n")(b)) }},
		{"the body has a byte order mark that was not signed", anySize, func(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) }},
		{"the body was signed without the spaces it has now: a proxy or a copy reformatted it", anySize, compact},
		{fmt.Sprintf(anew, "JavaScript"), smallSize, func(b []byte) []byte { return spell(compact(b), spelling{}) }},
		{fmt.Sprintf(anew, "PHP"), smallSize, func(b []byte) []byte { return spell(compact(b), spelling{ascii: true, slashes: true}) }},
		{fmt.Sprintf(anew, "Python"), smallSize, func(b []byte) []byte { return spell(compact(b), spelling{ascii: true, spaces: true}) }},
		{fmt.Sprintf(anew, "Go"), smallSize, func(b []byte) []byte { return spell(compact(b), spelling{html: true}) }},
		{fmt.Sprintf(anew, "a program that indents by two"), smallSize, indented("  ")},
		{fmt.Sprintf(anew, "a program that indents by four"), smallSize, indented("    ")},
		{fmt.Sprintf(anew, "a program that sorts names"), smallSize, sorted},
		{"only the member data of the body was signed: this is not how QoreID signs", anySize, func(b []byte) []byte {
			at, ok := rawjson.Find(b, "/data")
			if !ok {
				return nil
			}
			return at.Of(b)
		}},
	}
}

func unzip(b []byte) []byte {
	zip, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(zip, unzipped))
	return orNil(text, err)
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	return orNilBuffer(&out, json.Compact(&out, b))
}

func indented(by string) func([]byte) []byte {
	return func(b []byte) []byte {
		var out bytes.Buffer
		return orNilBuffer(&out, json.Indent(&out, b, "", by))
	}
}

func orNilBuffer(out *bytes.Buffer, err error) []byte { return orNil(out.Bytes(), err) }

// sorted encodes a body as encoding/json does after decoding it into a map.
func sorted(b []byte) []byte {
	var v any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return orNil(bytes.TrimSuffix(out.Bytes(), []byte("\n")), err)
}

// spelling is the way in which a library writes JSON.
type spelling struct {
	ascii   bool // other characters than ASCII as \uXXXX
	slashes bool // "/" as "\/"
	spaces  bool // one space after colons and commas
	html    bool // <, > and & as \uXXXX
}

// spell writes compact JSON in another spelling.
func spell(text []byte, s spelling) []byte {
	var out []byte
	for len(text) > 0 {
		if text[0] != '"' {
			out = append(out, text[0])
			if s.spaces && (text[0] == ',' || text[0] == ':') {
				out = append(out, ' ')
			}
			text = text[1:]
			continue
		}
		end := rawjson.Whole(text).To
		out = append(out, '"')
		for _, r := range string(rawjson.Unquote(text[:end])) {
			out = s.append(out, r)
		}
		out = append(out, '"')
		text = text[end:]
	}
	return out
}

// escapes reports whether the spelling writes a character as \uXXXX.
func (s spelling) escapes(r rune) bool {
	return r < ' ' || r >= 0x80 && s.ascii || s.html && (r == '<' || r == '>' || r == '&')
}

// append writes one character of a string.
func (s spelling) append(out []byte, r rune) []byte {
	const short = "\"\"\\\\\bb\ff\nn\rr\tt"
	switch at := bytes.IndexByte([]byte(short), byte(r)); {
	case r < 0x80 && at >= 0 && at%2 == 0:
		return append(out, '\\', short[at+1])
	case r == '/' && s.slashes:
		return append(out, '\\', '/')
	case r > 0xffff && s.ascii:
		high, low := 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff
		return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
	case s.escapes(r):
		return fmt.Appendf(out, `\u%04x`, r)
	}
	return utf8.AppendRune(out, r)
}
