package api

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"inbox/inbox"
)

// words returns up to three random texts.
func words(t *rapid.T, name string) []string {
	list := rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, name)
	if len(list) == 0 {
		return nil
	}
	return list
}

func TestAFilterSurvivesEncodingAndDecoding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string) time.Time {
			if n := rapid.Int64Range(0, 4e12).Draw(t, name); n > 0 {
				return time.UnixMilli(n).UTC()
			}
			return time.Time{}
		}
		f := inbox.Filter{
			Seqs: rapid.SliceOfN(rapid.Int64Range(1, 1<<40), 1, 3).Draw(t, "seqs"), Events: words(t, "events"), EventTypes: words(t, "types"),
			Sources: words(t, "sources"), Statuses: words(t, "statuses"), Mode: rapid.SampledFrom([]inbox.Mode{"", inbox.Live, inbox.Test}).Draw(t, "mode"),
			Key: rapid.String().Draw(t, "key"), CustomerReference: rapid.String().Draw(t, "reference"), Plugin: rapid.String().Draw(t, "plugin"),
			Since: at("since"), Until: at("until"), Limit: rapid.IntRange(0, 1e6).Draw(t, "limit"), After: rapid.Int64Range(0, 1e12).Draw(t, "after"),
			Before: rapid.Int64Range(0, 1e12).Draw(t, "before"), Newest: rapid.Bool().Draw(t, "newest"),
		}
		pointers := rapid.SliceOfNDistinct(rapid.StringMatching(`(/[^=]{0,5}){1,3}`), 0, 2, rapid.ID).Draw(t, "pointers")
		for _, p := range pointers {
			f.Where = append(f.Where, inbox.Condition{Pointer: p, Values: rapid.SliceOfN(rapid.String(), 1, 2).Draw(t, "values")})
		}
		ids := words(t, "ids")
		q, err := url.ParseQuery(Query(f, ids).Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, gotIDs, err := ParseFilter(q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(ids, gotIDs); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzFilter checks that encoding and decoding do not change a valid filter.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"event=a&event=b&where=/x=1&where=/x=2&limit=3", "since=2026-01-02T03:04:05Z&mode=live&newest=true", "id=evt_1&seq=4&key=%00", "limit=-1", "mode=x",
		"where=/a=&where=/=b&before=9", "since=2026-01-02T03:04:05.123456789%2B01:00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		first, ids, err := ParseFilter(q)
		if err != nil {
			if inbox.KindOf(err) != inbox.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		second, again, err := ParseFilter(Query(first, ids))
		if err != nil {
			t.Fatalf("%q was read, and is not after it was written: %v", text, err)
		}
		first.Since, first.Until = first.Since.UTC(), first.Until.UTC()
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
		if len(ids) != len(again) {
			t.Errorf("%q: ids %q and %q", text, ids, again)
		}
	})
}
