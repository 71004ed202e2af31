-- A few hundred made-up rows.
INSERT INTO roles (name, is_editable) VALUES ('Admin', false), ('Teacher', true), ('Student', true);
INSERT INTO access_controls (name, path, method)
    SELECT verb || ' ' || noun, '/api/v1/' || noun, upper(verb)
    FROM unnest(ARRAY['get', 'post', 'put', 'delete']) verb, unnest(ARRAY['students', 'staffs', 'classes', 'sections', 'departments', 'notices', 'leave', 'certificates']) noun;
INSERT INTO permissions (role_id, access_control_id, type) SELECT r.id, a.id, 'api' FROM roles r, access_controls a WHERE r.id = 1 OR a.method = 'GET';
INSERT INTO departments (name) VALUES ('Science'), ('Mathematics'), ('Languages'), ('Arts'), ('Sports');
INSERT INTO sections (name) VALUES ('A'), ('B'), ('C');
INSERT INTO classes (name, sections) SELECT 'Class ' || n, 'A,B,C' FROM generate_series(1, 10) n;
-- Everybody's password is "lab-password" (bcrypt).
INSERT INTO users (name, email, password, role_id, is_email_verified)
    SELECT CASE WHEN n = 1 THEN 'Admin' WHEN n <= 16 THEN 'Teacher ' || n ELSE 'Student ' || n END,
           CASE WHEN n = 1 THEN 'admin@school.example' WHEN n <= 16 THEN 'teacher' || n || '@school.example' ELSE 'student' || n || '@school.example' END,
           '$2b$10$CJgW7lyC5SlGdRj447s7Fem5ffv1trHN/kIx1EybPekxfM4ZVT7YO',
           CASE WHEN n = 1 THEN 1 WHEN n <= 16 THEN 2 ELSE 3 END, true
    FROM generate_series(1, 136) n;
UPDATE users SET reporter_id = 1 WHERE id > 1;
INSERT INTO user_profiles (user_id, gender, phone, dob, class_name, section_name, roll, department_id)
    SELECT id, CASE id % 2 WHEN 0 THEN 'Female' ELSE 'Male' END, '555-' || lpad(id::text, 4, '0'), DATE '2010-01-01' + id,
           CASE WHEN role_id = 3 THEN 'Class ' || (id % 10 + 1) END, CASE WHEN role_id = 3 THEN chr(65 + id % 3) END,
           CASE WHEN role_id = 3 THEN id END, CASE WHEN role_id = 2 THEN id % 5 + 1 END
    FROM users;
INSERT INTO class_teachers (teacher_id, class_name, section_name) SELECT n + 1, 'Class ' || n, 'A' FROM generate_series(1, 10) n;
INSERT INTO notice_status (name) VALUES ('Draft'), ('Submit for Review'), ('Approved'), ('Rejected');
INSERT INTO notices (author_id, title, description, status) SELECT 1 + n % 16, 'Notice ' || n, 'Made for the lab.', 1 + n % 4 FROM generate_series(1, 24) n;
INSERT INTO leave_status (name) VALUES ('On Review'), ('Approved'), ('Cancelled');
INSERT INTO leave_policies (name) VALUES ('Annual'), ('Sick'), ('Maternity');
INSERT INTO user_leave_policy SELECT u.id, p.id FROM users u, leave_policies p WHERE u.role_id = 2;
INSERT INTO user_leaves (user_id, leave_policy_id, from_dt, to_dt, note, status) SELECT 2 + n % 15, 1 + n % 3, DATE '2026-01-01' + n, DATE '2026-01-02' + n, 'Made for the lab.', 1 + n % 3 FROM generate_series(1, 20) n;
INSERT INTO user_refresh_tokens (user_id, token, expires_at) SELECT n, md5('token' || n), now() + interval '8 hours' FROM generate_series(1, 12) n;
