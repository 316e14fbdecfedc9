package inbox_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"inbox/inbox"
)

// TestAFilterThatSelectsLessThanEverythingIsNarrow sets every field alone, also those that will be added: a field that
// is forgotten would let a replay of less than everything ask for --all, or one of everything begin without it.
func TestAFilterThatSelectsLessThanEverythingIsNarrow(t *testing.T) {
	t.Parallel()
	if (inbox.Filter{}).Narrow() {
		t.Error("the empty filter selects everything, and is narrow")
	}
	places := []string{"After", "Before", "Newest"} // where to go on, and in which order
	for field := range reflect.TypeFor[inbox.Filter]().Fields() {
		var f inbox.Filter
		v := reflect.ValueOf(&f).Elem().FieldByIndex(field.Index)
		switch v.Kind() {
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		case reflect.String:
			v.SetString("x")
		case reflect.Int, reflect.Int64:
			v.SetInt(1)
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Struct:
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
		default:
			t.Fatalf("%s is a %s", field.Name, v.Kind())
		}
		if got, want := f.Narrow(), !slices.Contains(places, field.Name); got != want {
			t.Errorf("with %s it is narrow: %v, want %v", field.Name, got, want)
		}
	}
}
