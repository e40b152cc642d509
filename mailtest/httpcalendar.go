package mailtest

import (
	"bytes"
	"cmp"
	"context"

	"github.com/emersion/go-ical"
	"github.com/emersion/go-webdav/caldav"
)

type calendarData = ical.Calendar

// calendarBackend is the calendars of whoever asks, for CalDAV (RFC 4791).
type calendarBackend struct{ principal }

func calendarsOf(ctx context.Context) *shelf[*calendarData] { return &accountOf(ctx).home.calendars }

func (calendarBackend) CalendarHomeSetPath(ctx context.Context) (string, error) {
	return davCalendars + accountOf(ctx).name + "/", nil
}

func (calendarBackend) CreateCalendar(ctx context.Context, c *caldav.Calendar) error {
	return calendarsOf(ctx).create(c.Path, cmp.Or(c.Name, c.Path))
}

func (b calendarBackend) ListCalendars(ctx context.Context) ([]caldav.Calendar, error) {
	var all []caldav.Calendar
	for _, path := range calendarsOf(ctx).list() {
		if c, err := b.GetCalendar(ctx, path); err == nil { // else it has gone since
			all = append(all, *c)
		}
	}
	return all, nil
}

func (calendarBackend) GetCalendar(ctx context.Context, path string) (*caldav.Calendar, error) {
	title, err := calendarsOf(ctx).title(path)
	if err != nil {
		return nil, err
	}
	return &caldav.Calendar{Path: directory(path), Name: title, SupportedComponentSet: []string{ical.CompEvent, ical.CompToDo}}, nil
}

func (calendarBackend) GetCalendarObject(ctx context.Context, path string, _ *caldav.CalendarCompRequest) (*caldav.CalendarObject, error) {
	found, err := calendarsOf(ctx).item(path)
	if err != nil {
		return nil, err
	}
	return calendarObject(found), nil
}

func (calendarBackend) ListCalendarObjects(ctx context.Context, path string, _ *caldav.CalendarCompRequest) ([]caldav.CalendarObject, error) {
	var all []caldav.CalendarObject
	for _, found := range calendarsOf(ctx).in(path) {
		all = append(all, *calendarObject(found))
	}
	return all, nil
}

func (b calendarBackend) QueryCalendarObjects(ctx context.Context, path string, query *caldav.CalendarQuery) ([]caldav.CalendarObject, error) {
	all, err := b.ListCalendarObjects(ctx, path, &query.CompRequest)
	if err != nil {
		return nil, err
	}
	return caldav.Filter(query, all)
}

func (calendarBackend) PutCalendarObject(ctx context.Context, path string, c *ical.Calendar, o *caldav.PutCalendarObjectOptions) (*caldav.CalendarObject, error) {
	if _, _, err := caldav.ValidateCalendarObject(c); err != nil {
		return nil, caldav.NewPreconditionError(caldav.PreconditionValidCalendarObjectResource)
	}
	var text bytes.Buffer
	if err := ical.NewEncoder(&text).Encode(c); err != nil {
		return nil, caldav.NewPreconditionError(caldav.PreconditionValidCalendarData)
	}
	stored, err := calendarsOf(ctx).put(path, text.Bytes(), c, o.IfMatch, o.IfNoneMatch)
	if err != nil {
		return nil, err
	}
	return calendarObject(stored), nil
}

func (calendarBackend) DeleteCalendarObject(ctx context.Context, path string) error {
	return calendarsOf(ctx).remove(path)
}

func calendarObject(i item[*calendarData]) *caldav.CalendarObject {
	return &caldav.CalendarObject{Path: i.path, ModTime: i.modified, ContentLength: i.size, ETag: i.etag, Data: i.data}
}
